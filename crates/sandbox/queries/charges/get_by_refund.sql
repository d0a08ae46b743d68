-- charges/get_by_refund
SELECT * FROM entries WHERE out_trade_no = (SELECT out_trade_no FROM refunds WHERE out_refund_no = ?)
