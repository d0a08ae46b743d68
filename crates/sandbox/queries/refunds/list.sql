-- refunds/list
SELECT * FROM refunds WHERE out_refund_no > ? ORDER BY out_refund_no LIMIT ?
