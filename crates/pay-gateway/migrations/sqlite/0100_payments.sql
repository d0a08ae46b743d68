-- Payments: one attempt to pay an order each; changed only together with a row of payment_log.
CREATE TABLE payments (
    order_no         BIGINT       NOT NULL,
    attempt          SMALLINT     NOT NULL,
    live             SMALLINT,              -- 1, or NULL once nobody can pay it; never set again
    state            SMALLINT     NOT NULL,
    reason           VARCHAR(64)  NOT NULL,
    shop_id          BIGINT       NOT NULL,
    pay_type         SMALLINT     NOT NULL,
    amount           BIGINT       NOT NULL, -- fen
    pay_id           SMALLINT     NOT NULL, -- the original payid; 0: none
    description      VARCHAR(127) NOT NULL,
    payer_id         VARCHAR(128) NOT NULL,
    client_ip        VARCHAR(15)  NOT NULL,
    expires_at       BIGINT       NOT NULL, -- told to the channel as its own expiry
    send_before      BIGINT       NOT NULL, -- after this the channel is not asked to begin
    account_id       BIGINT       NOT NULL, -- 0: none was found
    mch_id           VARCHAR(32)  NOT NULL,
    key_name         VARCHAR(64)  NOT NULL,
    sign_agentno     VARCHAR(32)  NOT NULL, -- empty: the account signs for itself
    pay_info         TEXT,                  -- what the payer's device needs, once it is known
    channel_trade_no VARCHAR(64),
    paid_at          BIGINT,                -- the channel's time
    paid_amount      BIGINT,                -- fen; what the channel says it took, once it did
    close_sent_at    BIGINT,                -- when a close or reverse was last sent
    close_ended_at   BIGINT,                -- when that call was over; NULL while it may be under way
    close_reason     VARCHAR(32)  NOT NULL, -- why it is to be closed; empty: it is not
    version          BIGINT       NOT NULL,
    created_at       BIGINT       NOT NULL,
    changed_at       BIGINT       NOT NULL, -- when it entered its state
    write_id         BIGINT       NOT NULL,
    PRIMARY KEY (order_no, attempt),
    CONSTRAINT payments_live UNIQUE (order_no, live) -- a single charge
) WITHOUT ROWID;

-- The story of each payment: a row a version, insert-only.
CREATE TABLE payment_log (
    order_no   BIGINT       NOT NULL,
    attempt    SMALLINT     NOT NULL,
    version    BIGINT       NOT NULL,
    at         BIGINT       NOT NULL,
    from_state SMALLINT     NOT NULL, -- 0: there was none
    to_state   SMALLINT     NOT NULL,
    event      VARCHAR(32)  NOT NULL,
    actor      VARCHAR(32)  NOT NULL,
    detail     VARCHAR(255) NOT NULL,
    trace_id   VARCHAR(32)  NOT NULL,
    write_id   BIGINT       NOT NULL,
    PRIMARY KEY (order_no, attempt, version)
) WITHOUT ROWID;

-- Callbacks with a valid signature, whole, as they came; insert-only but for the verdict.
CREATE TABLE inbox (
    id               BIGINT      NOT NULL PRIMARY KEY, -- in the order of arrival
    digest           BLOB     NOT NULL,             -- SHA-256 of the body: a repeat is stored once
    channel          SMALLINT    NOT NULL,
    mch_id           VARCHAR(32) NOT NULL,
    out_trade_no     VARCHAR(64) NOT NULL,
    channel_trade_no VARCHAR(64) NOT NULL,
    amount           BIGINT,
    currency         VARCHAR(8)  NOT NULL,
    paid             SMALLINT    NOT NULL, -- 1: it says paid; 0: it says not paid, or is unclear
    paid_at          BIGINT,
    body             BLOB        NOT NULL,
    received_at      BIGINT      NOT NULL,
    write_id         BIGINT      NOT NULL,
    CONSTRAINT inbox_digest UNIQUE (digest)
);

-- Callbacks that match no payment, or not in every field; each has an obligation.
CREATE TABLE inbox_flags (
    inbox_id   BIGINT       NOT NULL PRIMARY KEY,
    reason     VARCHAR(64)  NOT NULL,
    detail     VARCHAR(255) NOT NULL,
    flagged_at BIGINT       NOT NULL,
    write_id   BIGINT       NOT NULL
) WITHOUT ROWID;

-- Refunds: money of a payment on its way back; put on record with a row of payment_log, and
-- changed only together with a row of refund_log.
CREATE TABLE refunds (
    refund_no         BIGINT       NOT NULL PRIMARY KEY, -- given by trade
    order_no          BIGINT       NOT NULL,
    attempt           SMALLINT     NOT NULL,
    amount            BIGINT       NOT NULL, -- fen
    total             BIGINT       NOT NULL, -- fen; the whole payment
    state             SMALLINT     NOT NULL,
    failure           SMALLINT     NOT NULL, -- 0: it has not failed
    reason            VARCHAR(128) NOT NULL, -- what the channel said last
    channel_refund_no VARCHAR(64),
    refunded_at       BIGINT,                -- the channel's time
    retry             INT          NOT NULL, -- how often it was tried again after it had failed
    version           BIGINT       NOT NULL,
    created_at        BIGINT       NOT NULL,
    changed_at        BIGINT       NOT NULL  -- when it entered its state
) WITHOUT ROWID;
CREATE INDEX refunds_payment ON refunds (order_no, attempt, refund_no);

-- The story of each refund: a row a version, insert-only.
CREATE TABLE refund_log (
    refund_no  BIGINT       NOT NULL,
    version    BIGINT       NOT NULL,
    at         BIGINT       NOT NULL,
    from_state SMALLINT     NOT NULL, -- 0: there was none
    to_state   SMALLINT     NOT NULL,
    event      VARCHAR(32)  NOT NULL,
    actor      VARCHAR(32)  NOT NULL,
    detail     VARCHAR(255) NOT NULL,
    trace_id   VARCHAR(32)  NOT NULL,
    write_id   BIGINT       NOT NULL,
    PRIMARY KEY (refund_no, version)
) WITHOUT ROWID;
