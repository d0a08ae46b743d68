-- The ledger of money. Times are epoch microseconds, amounts are fen.

-- What merchants prepared and payers paid.
CREATE TABLE charges (
    number INTEGER PRIMARY KEY AUTOINCREMENT, -- makes the channel's numbers unique
    out_trade_no TEXT NOT NULL UNIQUE,        -- the merchant's number
    mch_id TEXT NOT NULL,
    signer TEXT NOT NULL,                     -- whose key signs: the merchant, its chain or its agent
    token_id TEXT NOT NULL UNIQUE,            -- opens the pay page
    amount INTEGER NOT NULL CHECK (amount > 0),
    body TEXT NOT NULL,
    attach TEXT NOT NULL,                     -- echoed to the merchant; may be empty
    device_info TEXT NOT NULL,                -- echoed to the merchant; may be empty
    sub_openid TEXT NOT NULL,                 -- the payer the merchant named; may be empty
    sub_appid TEXT NOT NULL,
    notify_url TEXT,                          -- NULL: no notice is wanted
    state INTEGER NOT NULL CHECK (state IN (1, 2)), -- 1 not paid, 2 paid
    transaction_id TEXT UNIQUE,               -- the channel's number of the payment
    out_transaction_id TEXT UNIQUE,           -- the wallet's number of the payment
    created_at INTEGER NOT NULL,
    expires_at INTEGER,                       -- NULL: never
    paid_at INTEGER,
    CHECK ((state = 2) = (paid_at IS NOT NULL)),
    CHECK ((state = 2) = (transaction_id IS NOT NULL))
) STRICT;

-- What merchants are told about paid charges, until they acknowledge it.
CREATE TABLE notices (
    out_trade_no TEXT PRIMARY KEY REFERENCES charges (out_trade_no),
    attempts INTEGER NOT NULL,
    next_at INTEGER,                          -- NULL: acknowledged, or given up
    acknowledged INTEGER NOT NULL CHECK (acknowledged IN (0, 1))
) STRICT;

CREATE INDEX notices_due ON notices (next_at) WHERE next_at IS NOT NULL;

-- A charge and how far its notice got.
CREATE VIEW entries AS
SELECT charges.*,
       COALESCE(notices.attempts, 0) AS attempts,
       COALESCE(notices.acknowledged, 0) AS acknowledged,
       notices.next_at AS next_at
FROM charges LEFT JOIN notices ON notices.out_trade_no = charges.out_trade_no;

PRAGMA user_version = 1;
