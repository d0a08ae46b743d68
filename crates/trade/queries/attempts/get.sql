-- attempts/get
SELECT attempt, pay_type, paid_at, paid_amount, reversed_at, payment_version
FROM attempts WHERE order_no = ? AND attempt = ?
