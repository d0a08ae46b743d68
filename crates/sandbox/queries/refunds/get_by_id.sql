-- refunds/get_by_id
SELECT * FROM refunds WHERE refund_id = ?
