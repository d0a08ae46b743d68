-- What shops pay, a row a published version, insert-only. Written by rate_schemes/set.
CREATE TABLE rate_schemes (
    shop_id      BIGINT      NOT NULL,
    pay_type     SMALLINT    NOT NULL, -- original numbers
    version      BIGINT      NOT NULL, -- 1, 2, 3, ...
    current_ppm  INT         NOT NULL, -- parts per million
    future_ppm   INT,                  -- applies from future_begin on
    future_begin BIGINT,
    min_fee      BIGINT      NOT NULL, -- fen
    cap_fee      BIGINT,               -- fen; NULL: no cap
    published_at BIGINT      NOT NULL, -- from when on it counts (the first: also before); later than the version before
    published_by VARCHAR(64) NOT NULL, -- who, as the caller says it (x-operator), or rpc
    trace_id     VARCHAR(32) NOT NULL,
    write_id     BIGINT      NOT NULL,
    PRIMARY KEY (shop_id, pay_type, version),
    CHECK (version > 0),
    CHECK (current_ppm BETWEEN 0 AND 1000000),
    CHECK (future_ppm IS NULL OR future_ppm BETWEEN 0 AND 1000000),
    CHECK ((future_ppm IS NULL) = (future_begin IS NULL)),
    CHECK (min_fee >= 0)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
