-- payment_log/insert
INSERT INTO payment_log (order_no, attempt, version, at, from_state, to_state, event, actor, detail, trace_id, write_id)
VALUES /*[,*/(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)/*]*/
