-- attempts/insert
INSERT INTO attempts (order_no, attempt, pay_type, paid_at, created_at)
VALUES /*[,*/(?, ?, ?, NULL, ?)/*]*/
