-- order_log/insert
INSERT INTO order_log (order_no, version, at, from_status, to_status, event, actor, detail, trace_id, write_id)
VALUES /*[,*/(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)/*]*/
