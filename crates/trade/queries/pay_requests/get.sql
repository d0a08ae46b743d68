-- pay_requests/get
SELECT attempt, pay_type FROM pay_requests WHERE order_no = ? AND request_id = ?
