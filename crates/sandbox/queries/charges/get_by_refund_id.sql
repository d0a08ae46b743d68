-- charges/get_by_refund_id
SELECT * FROM entries WHERE out_trade_no = (SELECT out_trade_no FROM refunds WHERE refund_id = ?)
