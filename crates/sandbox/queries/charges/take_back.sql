-- charges/take_back
UPDATE charges SET stage = 2 WHERE out_trade_no = ? AND state = 2 AND stage <> 2
