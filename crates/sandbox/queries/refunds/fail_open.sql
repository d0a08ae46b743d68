-- refunds/fail_open
UPDATE refunds SET state = 3, ending = 3, ends_at = NULL WHERE out_trade_no = ? AND state IN (1, 4)
