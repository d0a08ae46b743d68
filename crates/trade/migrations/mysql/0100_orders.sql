-- Orders, one row each; changed only together with a row of order_log.
CREATE TABLE orders (
    order_no          BIGINT       NOT NULL PRIMARY KEY, -- the 18 digits: a day is a key range
    merchant_id       BIGINT       NOT NULL,
    shop_id           BIGINT       NOT NULL,
    merchant_order_no VARCHAR(64)  NOT NULL,
    content           VARBINARY(32)      NOT NULL, -- SHA-256 of what create was asked for
    amount            BIGINT       NOT NULL, -- fen
    kind              SMALLINT     NOT NULL,
    description       VARCHAR(127) NOT NULL,
    client_ip         VARCHAR(15)  NOT NULL,
    details           BLOB         NOT NULL, -- paymesh.trade.v1.Order with the line items only
    status            SMALLINT     NOT NULL,
    attempt           SMALLINT,              -- the payment under way, or that paid
    canceled_by       SMALLINT     NOT NULL, -- 0: nobody
    refund_status     SMALLINT     NOT NULL,
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
    CONSTRAINT orders_external UNIQUE (external_platform, external_no)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE INDEX orders_shop ON orders (shop_id, order_no);

-- The story of each order: a row a version, insert-only.
CREATE TABLE order_log (
    order_no    BIGINT       NOT NULL,
    version     BIGINT       NOT NULL,
    at          BIGINT       NOT NULL,
    from_status SMALLINT     NOT NULL, -- 0: there was none
    to_status   SMALLINT     NOT NULL,
    event       VARCHAR(32)  NOT NULL,
    actor       VARCHAR(32)  NOT NULL,
    detail      VARCHAR(255) NOT NULL,
    trace_id    VARCHAR(32)  NOT NULL,
    write_id    BIGINT       NOT NULL,
    PRIMARY KEY (order_no, version)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- The payments trade asked for.
CREATE TABLE attempts (
    order_no   BIGINT      NOT NULL,
    attempt    SMALLINT    NOT NULL,
    pay_type   SMALLINT    NOT NULL,
    paid_at    BIGINT,                -- when the channel says it was paid
    created_at BIGINT      NOT NULL,
    PRIMARY KEY (order_no, attempt)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Which payment each request to pay stands for, by the caller's request id.
CREATE TABLE pay_requests (
    order_no   BIGINT      NOT NULL,
    request_id VARCHAR(64) NOT NULL,
    attempt    SMALLINT    NOT NULL,
    pay_type   SMALLINT    NOT NULL,
    asked_at   BIGINT      NOT NULL,
    write_id   BIGINT      NOT NULL,
    PRIMARY KEY (order_no, request_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- What each charge earns; gross = net + fee.
CREATE TABLE settlements (
    order_no       BIGINT      NOT NULL,
    source         VARCHAR(32) NOT NULL, -- charge:ATTEMPT
    gross          BIGINT      NOT NULL,
    fee            BIGINT      NOT NULL,
    net            BIGINT      NOT NULL,
    rate_ppm       INT         NOT NULL,
    scheme_version BIGINT      NOT NULL,
    attempt        SMALLINT    NOT NULL,
    paid_at        BIGINT      NOT NULL,
    settled_at     BIGINT      NOT NULL,
    write_id       BIGINT      NOT NULL,
    PRIMARY KEY (order_no, source),
    CHECK (gross = net + fee)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

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
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
