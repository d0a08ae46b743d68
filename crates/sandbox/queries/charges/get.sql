-- charges/get
SELECT * FROM entries WHERE out_trade_no = ?
