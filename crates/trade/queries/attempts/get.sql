-- attempts/get
SELECT attempt, pay_type, paid_at FROM attempts WHERE order_no = ? AND attempt = ?
