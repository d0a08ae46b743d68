-- charges/reverse
UPDATE charges SET stage = 2, payer_at = NULL WHERE out_trade_no = ? AND way = 2 AND stage <> 2
