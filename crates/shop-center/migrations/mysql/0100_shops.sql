-- Who sells, whom we settle with; changed only together with a row of changes.
CREATE TABLE merchants (
    merchant_id BIGINT       NOT NULL PRIMARY KEY, -- given by the caller
    name        VARCHAR(128) NOT NULL,
    late_money  SMALLINT     NOT NULL, -- one bit each, set where late money is refunded: 1 system, 2 customer, 4 store
    version     BIGINT       NOT NULL,
    created_at  BIGINT       NOT NULL,
    updated_at  BIGINT       NOT NULL,
    write_id    BIGINT       NOT NULL,
    CHECK (merchant_id > 0),
    CHECK (late_money BETWEEN 0 AND 7)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Where merchants sell; changed only together with a row of changes.
CREATE TABLE shops (
    shop_id     BIGINT       NOT NULL PRIMARY KEY, -- given by the caller
    merchant_id BIGINT       NOT NULL,
    name        VARCHAR(128) NOT NULL,
    status      SMALLINT     NOT NULL, -- 1 open, 2 suspended, 3 closed
    kind        SMALLINT     NOT NULL, -- 1 regular
    version     BIGINT       NOT NULL,
    created_at  BIGINT       NOT NULL,
    updated_at  BIGINT       NOT NULL,
    write_id    BIGINT       NOT NULL,
    CHECK (shop_id > 0)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
CREATE INDEX shops_merchant ON shops (merchant_id, shop_id);

-- Accounts the channels gave shops (进件): where money goes; changed only together with a row of changes.
CREATE TABLE merchant_accounts (
    account_id   BIGINT      NOT NULL PRIMARY KEY, -- given by the caller
    shop_id      BIGINT      NOT NULL,
    channel      SMALLINT    NOT NULL, -- original numbers
    pay_type     SMALLINT    NOT NULL, -- original numbers
    mch_id       VARCHAR(32) NOT NULL, -- the channel's merchant id
    sign_agentno VARCHAR(32) NOT NULL, -- the service provider's number; empty: none
    key_name     VARCHAR(64) NOT NULL, -- under which pay-gateway holds the signing key
    weight       INT         NOT NULL, -- its share among several, 1 to 1000
    enabled      SMALLINT    NOT NULL, -- 0 or 1
    version      BIGINT      NOT NULL,
    created_at   BIGINT      NOT NULL,
    updated_at   BIGINT      NOT NULL,
    write_id     BIGINT      NOT NULL,
    CHECK (account_id > 0),
    CHECK (weight BETWEEN 1 AND 1000),
    CHECK (enabled IN (0, 1))
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
CREATE UNIQUE INDEX merchant_accounts_route ON merchant_accounts (shop_id, channel, pay_type, mch_id);
CREATE INDEX merchant_accounts_mch_id ON merchant_accounts (channel, mch_id, account_id);

-- The history of merchants, shops and accounts: a row a version, insert-only.
CREATE TABLE changes (
    kind     SMALLINT    NOT NULL, -- 1 merchant, 2 shop, 3 merchant account
    id       BIGINT      NOT NULL,
    version  BIGINT      NOT NULL, -- 1, 2, 3, ...
    at       BIGINT      NOT NULL,
    event    VARCHAR(16) NOT NULL, -- CREATE, UPDATE, SET_STATUS
    actor    VARCHAR(64) NOT NULL, -- who, as the caller says it (x-operator), or rpc
    trace_id VARCHAR(32) NOT NULL,
    content  BLOB        NOT NULL, -- this version as a message of paymesh.shop.v1, without what the server sets
    write_id BIGINT      NOT NULL,
    PRIMARY KEY (kind, id, version)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
