-- charges/close
UPDATE charges SET stage = 1, payer_at = NULL
WHERE out_trade_no = ? AND way = 1 AND state = 1 AND stage = 0 AND created_at <= ?
