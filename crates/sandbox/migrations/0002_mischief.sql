-- Alipay beside WeChat, and misbehaviour by script.

ALTER TABLE charges ADD COLUMN wallet INTEGER NOT NULL DEFAULT 1 CHECK (wallet IN (1, 2)); -- 1 WeChat, 2 Alipay
ALTER TABLE charges ADD COLUMN buyer_id TEXT NOT NULL DEFAULT ''; -- the payer in Alipay
ALTER TABLE charges ADD COLUMN wallet_no TEXT;                    -- the wallet's number, when it gave one before the payment

-- Chooses, with a script's name, which orders misbehave. One row, for as long as the ledger lives.
CREATE TABLE seed (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    seed INTEGER NOT NULL
) STRICT;

-- How orders misbehave, as told over gRPC.
CREATE TABLE scripts (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    script TEXT NOT NULL                      -- JSON
) STRICT;

-- What scripts did to orders; it outlives the scripts.
CREATE TABLE misdeeds (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    out_trade_no TEXT NOT NULL,               -- nothing may have been prepared under it
    script TEXT NOT NULL,
    step INTEGER NOT NULL,                    -- 1 prepay, 2 query, 3 notify
    kind INTEGER NOT NULL,                    -- as the MisbehaviourKind of the .proto
    met INTEGER NOT NULL,                     -- how often the script had its turn
    done INTEGER NOT NULL,                    -- how often the order misbehaved
    acknowledged INTEGER NOT NULL,            -- how many forged notices the merchant believed
    UNIQUE (out_trade_no, script, step, kind)
) STRICT;

-- Notices held back until that of a later payment was sent.
CREATE TABLE held (
    out_trade_no TEXT PRIMARY KEY REFERENCES charges (out_trade_no),
    released INTEGER NOT NULL CHECK (released IN (0, 1))
) STRICT;

PRAGMA user_version = 2;
