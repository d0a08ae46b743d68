-- misdeeds/meet
INSERT INTO misdeeds (out_trade_no, script, step, kind, met, done, acknowledged)
VALUES (?1, ?2, ?3, ?4, 1, 0, 0)
ON CONFLICT (out_trade_no, script, step, kind) DO UPDATE SET met = met + 1
WHERE ?5 = 0 OR met < ?5
RETURNING met
