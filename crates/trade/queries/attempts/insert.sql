-- attempts/insert
INSERT INTO attempts (order_no, attempt, pay_type, paid_at, paid_amount, reversed_at, payment_version, created_at)
VALUES /*[,*/(?, ?, ?, ?, ?, ?, ?, ?)/*]*/
