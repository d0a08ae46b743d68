-- What is owed, by key; ends as it is done. Hot and small: only what is unfinished.
CREATE TABLE obligations (
    kind     SMALLINT NOT NULL, -- which obligation
    subject  BIGINT   NOT NULL, -- whose: an order number, an inbox id
    part     INT      NOT NULL, -- which payment of the order; 0 where there is one
    due_at   BIGINT   NOT NULL, -- from when on; while claimed: until when the lease runs
    attempts INT      NOT NULL, -- claims so far
    token    BIGINT   NOT NULL, -- of the claim; 0: unclaimed
    PRIMARY KEY (subject, kind, part)
) WITHOUT ROWID;
CREATE INDEX obligations_due ON obligations (kind, due_at, subject, part);

-- Facts for others, insert-only; the layout of Debezium's outbox event router.
CREATE TABLE outbox (
    id            VARCHAR(64)  NOT NULL PRIMARY KEY, -- type:key:part:version, in key order
    aggregatetype VARCHAR(32)  NOT NULL,
    aggregateid   VARCHAR(32)  NOT NULL, -- the key in text
    type          VARCHAR(64)  NOT NULL, -- the payload's message type
    payload       BLOB     NOT NULL,
    order_key     BIGINT       NOT NULL, -- whose events keep their order
    version       BIGINT       NOT NULL,
    traceparent   VARCHAR(64)  NOT NULL,
    occurred_at   BIGINT       NOT NULL
) WITHOUT ROWID;

-- Events without a place in the feed yet.
CREATE TABLE feed_pending (
    order_key BIGINT      NOT NULL,
    part      INT         NOT NULL,
    version   BIGINT      NOT NULL,
    event_id  VARCHAR(64) NOT NULL,
    PRIMARY KEY (order_key, part, version, event_id) -- two aggregates may be at one version
) WITHOUT ROWID;

-- The feed: events in the order subscribers see them.
CREATE TABLE feed (
    seq      BIGINT      NOT NULL PRIMARY KEY,
    shard    SMALLINT    NOT NULL,
    event_id VARCHAR(64) NOT NULL
) WITHOUT ROWID;
CREATE INDEX feed_shard ON feed (shard, seq);

-- One row a batch of the sequencer: whoever writes the next number goes on.
CREATE TABLE feed_batches (
    batch_no     BIGINT NOT NULL PRIMARY KEY,
    last_seq     BIGINT NOT NULL,
    sequenced_at BIGINT NOT NULL,
    write_id     BIGINT NOT NULL
) WITHOUT ROWID;

-- How far each subscriber is, a shard a row, and who reads it now.
CREATE TABLE feed_cursors (
    subscriber  VARCHAR(32) NOT NULL,
    shard       SMALLINT    NOT NULL,
    pos         BIGINT      NOT NULL,
    token       BIGINT      NOT NULL,
    lease_until BIGINT      NOT NULL,
    PRIMARY KEY (subscriber, shard)
) WITHOUT ROWID;

-- What only one process may hold at a time: node numbers, the sequencer's seat.
CREATE TABLE leases (
    name  VARCHAR(32) NOT NULL,
    slot  INT         NOT NULL,
    token BIGINT      NOT NULL,
    until BIGINT      NOT NULL,
    PRIMARY KEY (name, slot)
) WITHOUT ROWID;

-- Events a subscriber could not apply, and the later ones of the same order behind them.
CREATE TABLE parked (
    publisher   VARCHAR(32)  NOT NULL,
    seq         BIGINT       NOT NULL,
    event_id    VARCHAR(64)  NOT NULL,
    order_key   BIGINT       NOT NULL,
    type        VARCHAR(64)  NOT NULL,
    payload     BLOB         NOT NULL,
    traceparent VARCHAR(64)  NOT NULL,
    occurred_at BIGINT       NOT NULL,
    reason      VARCHAR(255) NOT NULL,
    parked_at   BIGINT       NOT NULL,
    write_id    BIGINT       NOT NULL,
    PRIMARY KEY (publisher, seq)
) WITHOUT ROWID;
CREATE INDEX parked_order ON parked (order_key, seq);
