-- Charges by the payer's code (b→c), closing, reversing, refunds.

ALTER TABLE charges ADD COLUMN way INTEGER NOT NULL DEFAULT 1 CHECK (way IN (1, 2)); -- 1 the payer scans (c→b), 2 the merchant scans (b→c)
ALTER TABLE charges ADD COLUMN stage INTEGER NOT NULL DEFAULT 0
    CHECK (stage IN (0, 2) OR (stage IN (1, 3, 4) AND state = 1)); -- 0 none, 1 closed, 2 reversed, 3 a password is asked for, 4 declined
ALTER TABLE charges ADD COLUMN refunded INTEGER NOT NULL DEFAULT 0 CHECK (refunded BETWEEN 0 AND amount); -- the sum of refunds that succeeded
ALTER TABLE charges ADD COLUMN payer_at INTEGER;                                     -- when the payer is going to act; NULL: nothing is planned
ALTER TABLE charges ADD COLUMN payer_pays INTEGER NOT NULL DEFAULT 1 CHECK (payer_pays IN (0, 1)); -- what the payer is going to do: refuse, pay

CREATE INDEX charges_planned ON charges (payer_at) WHERE payer_at IS NOT NULL;

-- What merchants sent back to payers.
CREATE TABLE refunds (
    number INTEGER PRIMARY KEY AUTOINCREMENT, -- makes the channel's numbers unique
    out_refund_no TEXT NOT NULL UNIQUE,       -- the merchant's number
    out_trade_no TEXT NOT NULL REFERENCES charges (out_trade_no),
    mch_id TEXT NOT NULL,
    refund_id TEXT UNIQUE,                    -- the channel's number; there since the request was taken
    amount INTEGER NOT NULL CHECK (amount > 0),
    state INTEGER NOT NULL CHECK (state IN (1, 2, 3, 4, 5)), -- 1 processing, 2 success, 3 failed, 4 not sure, 5 to be settled by hand
    ending INTEGER NOT NULL CHECK (ending IN (1, 2, 3, 4, 5)), -- the state it is to end in
    ends_at INTEGER,                          -- when; NULL: it has, or never does
    sent INTEGER NOT NULL,                    -- how often the merchant sent it
    created_at INTEGER NOT NULL,
    refunded_at INTEGER,
    CHECK ((state = 2) = (refunded_at IS NOT NULL))
) STRICT;

CREATE INDEX refunds_ending ON refunds (ends_at) WHERE ends_at IS NOT NULL;
CREATE INDEX refunds_of_charge ON refunds (out_trade_no);

PRAGMA user_version = 3;
