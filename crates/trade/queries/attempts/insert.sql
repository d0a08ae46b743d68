-- attempts/insert
INSERT INTO attempts (order_no, attempt, request_id, pay_type, paid_at, created_at)
VALUES /*[,*/(?, ?, ?, ?, NULL, ?)/*]*/
