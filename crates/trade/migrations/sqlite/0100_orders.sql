-- Orders, one row each; changed only together with a row of order_log.
CREATE TABLE orders (
    order_no          BIGINT       NOT NULL PRIMARY KEY, -- the 18 digits: a day is a key range
    merchant_id       BIGINT       NOT NULL,
    shop_id           BIGINT       NOT NULL,
    merchant_order_no VARCHAR(64)  NOT NULL,
    content           BLOB      NOT NULL, -- SHA-256 of what create was asked for
    amount            BIGINT       NOT NULL, -- fen
    kind              SMALLINT     NOT NULL,
    description       VARCHAR(127) NOT NULL,
    client_ip         VARCHAR(15)  NOT NULL,
    details           BLOB         NOT NULL, -- paymesh.trade.v1.Order with the line items only
    status            SMALLINT     NOT NULL,
    attempt           SMALLINT,              -- the payment under way, or that paid
    canceled_by       SMALLINT     NOT NULL, -- 0: nobody
    refund_status     SMALLINT     NOT NULL,
    refunded          BIGINT       NOT NULL, -- fen that went back, surplus money left out
    fulfilment        SMALLINT     NOT NULL,
    binding           SMALLINT     NOT NULL,
    payer_id          VARCHAR(128),
    pay_type          SMALLINT,
    paid_at           BIGINT,                -- the channel's time
    external_platform VARCHAR(32),           -- the platform that was paid, if it arrived paid
    external_no       VARCHAR(64),           -- the platform's number
    late_money        SMALLINT     NOT NULL, -- the merchant's policy when it was created
    bind_limit_at     BIGINT       NOT NULL,
    pay_limit_at      BIGINT       NOT NULL,
    version           BIGINT       NOT NULL,
    created_at        BIGINT       NOT NULL,
    updated_at        BIGINT       NOT NULL,
    write_id          BIGINT       NOT NULL,
    CONSTRAINT orders_merchant UNIQUE (merchant_id, merchant_order_no),
    CONSTRAINT orders_external UNIQUE (external_platform, external_no),
    -- The combinations that may exist. canceled_by holds who asked for it while an order is
    -- being revoked (4, 5), though its cancel type is not shown yet.
    CONSTRAINT orders_combination CHECK (
        canceled_by BETWEEN 0 AND 3 AND fulfilment BETWEEN 1 AND 7 AND binding BETWEEN 1 AND 3
        AND (status IN (1, 2, 3) AND refund_status = 0 AND fulfilment = 1 AND canceled_by = 0
            OR status IN (4, 5, 6) AND refund_status = 0 AND fulfilment = 1 AND canceled_by <> 0
            OR status = 7 AND refund_status IN (0, 4, 5) AND canceled_by = 0
            OR status = 8 AND refund_status IN (1, 2)
            OR status = 9 AND refund_status = 4 AND canceled_by <> 0
            OR status = 10 AND refund_status = 3))
);

CREATE INDEX orders_shop ON orders (shop_id, order_no);

-- The story of each order: a row a version, insert-only.
CREATE TABLE order_log (
    order_no    BIGINT       NOT NULL,
    version     BIGINT       NOT NULL,
    at          BIGINT       NOT NULL,
    from_status SMALLINT     NOT NULL, -- 0: there was none
    to_status   SMALLINT     NOT NULL,
    event       VARCHAR(32)  NOT NULL,
    actor       VARCHAR(64)  NOT NULL,
    detail      VARCHAR(255) NOT NULL,
    trace_id    VARCHAR(32)  NOT NULL,
    write_id    BIGINT       NOT NULL,
    PRIMARY KEY (order_no, version)
) WITHOUT ROWID;

-- The payments trade asked for.
CREATE TABLE attempts (
    order_no        BIGINT   NOT NULL,
    attempt         SMALLINT NOT NULL,
    pay_type        SMALLINT NOT NULL,
    paid_at         BIGINT,            -- when the channel says it was paid
    paid_amount     BIGINT,            -- fen the channel says it took; null: the order's amount
    reversed_at     BIGINT,            -- when its counted money went back; null again once it is back
    payment_version BIGINT   NOT NULL, -- of the newest fact that was taken in; 0: none
    created_at      BIGINT   NOT NULL,
    PRIMARY KEY (order_no, attempt)
) WITHOUT ROWID;

-- Which payment each request to pay stands for, by the caller's request id.
CREATE TABLE pay_requests (
    order_no   BIGINT      NOT NULL,
    request_id VARCHAR(64) NOT NULL,
    attempt    SMALLINT    NOT NULL,
    pay_type   SMALLINT    NOT NULL,
    asked_at   BIGINT      NOT NULL,
    write_id   BIGINT      NOT NULL,
    PRIMARY KEY (order_no, request_id)
) WITHOUT ROWID;

-- What each charge earns, and what its refunds and its reversal give back; gross = net + fee.
CREATE TABLE settlements (
    order_no       BIGINT      NOT NULL,
    source         VARCHAR(32) NOT NULL, -- charge:ATTEMPT, refund:NUMBER, reversal:ATTEMPT
    gross          BIGINT      NOT NULL,
    fee            BIGINT      NOT NULL,
    net            BIGINT      NOT NULL,
    rate_ppm       INT         NOT NULL,
    scheme_version BIGINT      NOT NULL,
    attempt        SMALLINT    NOT NULL,
    seq            INT         NOT NULL, -- 0 the charge, then what went back of it, in order
    paid_at        BIGINT      NOT NULL,
    settled_at     BIGINT      NOT NULL,
    write_id       BIGINT      NOT NULL,
    PRIMARY KEY (order_no, source),
    CONSTRAINT settlements_seq UNIQUE (order_no, attempt, seq),
    CONSTRAINT settlements_sum CHECK (gross = net + fee),
    CONSTRAINT settlements_sign CHECK ((seq = 0 AND gross > 0 AND fee >= 0 AND net >= 0) OR (seq > 0 AND gross < 0 AND fee <= 0 AND net <= 0))
) WITHOUT ROWID;

-- Money on its way back; a row changes only in the write of a line of its order's story.
CREATE TABLE refunds (
    refund_no          BIGINT       NOT NULL PRIMARY KEY, -- the 18 digits; no order has them
    order_no           BIGINT       NOT NULL,
    merchant_refund_no VARCHAR(64)  NOT NULL, -- late:, surplus:, reject: and the payment if nobody named it
    attempt            SMALLINT,              -- the payment whose money it is; null: a platform's
    amount             BIGINT       NOT NULL, -- fen
    state              SMALLINT     NOT NULL,
    origin             SMALLINT     NOT NULL,
    failure            SMALLINT     NOT NULL, -- 0: none
    by_whom            SMALLINT     NOT NULL,
    reason             VARCHAR(100) NOT NULL,
    refusal            VARCHAR(100) NOT NULL, -- why it was rejected
    evidence           VARCHAR(128) NOT NULL, -- the channel's number, or what was shown by hand
    retry              INT          NOT NULL, -- how often it was sent again after it had failed
    refunded_at        BIGINT,                -- the channel's time
    created_at         BIGINT       NOT NULL,
    changed_at         BIGINT       NOT NULL,
    CONSTRAINT refunds_merchant UNIQUE (order_no, merchant_refund_no),
    CONSTRAINT refunds_amount CHECK (amount > 0),
    CONSTRAINT refunds_failure CHECK ((state = 5) = (failure <> 0)),
    CONSTRAINT refunds_time CHECK ((state = 4) = (refunded_at IS NOT NULL))
) WITHOUT ROWID;

-- Money that was found without its callback (补单), written with what it did.
CREATE TABLE remedies (
    order_no      BIGINT       NOT NULL,
    version       BIGINT       NOT NULL, -- of the order, after it
    attempt       SMALLINT     NOT NULL,
    finder        VARCHAR(32)  NOT NULL,
    evidence      VARCHAR(255) NOT NULL,
    before_status SMALLINT     NOT NULL,
    after_status  SMALLINT     NOT NULL,
    at            BIGINT       NOT NULL,
    PRIMARY KEY (order_no, version)
) WITHOUT ROWID;
