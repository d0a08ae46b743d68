-- charges/list
SELECT * FROM entries WHERE out_trade_no > ? ORDER BY out_trade_no LIMIT ?
