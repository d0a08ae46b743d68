-- charges/decline
UPDATE charges SET stage = 4, payer_at = NULL WHERE out_trade_no = ? AND state = 1 AND stage IN (0, 3)
