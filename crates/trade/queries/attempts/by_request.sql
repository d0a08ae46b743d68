-- attempts/by_request
SELECT attempt, pay_type, paid_at FROM attempts WHERE order_no = ? AND request_id = ?
