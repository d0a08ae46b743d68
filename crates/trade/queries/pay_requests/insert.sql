-- pay_requests/insert
INSERT INTO pay_requests (order_no, request_id, attempt, pay_type, asked_at, write_id)
VALUES /*[,*/(?, ?, ?, ?, ?, ?)/*]*/
