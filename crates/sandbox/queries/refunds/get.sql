-- refunds/get
SELECT * FROM refunds WHERE out_refund_no = ?
