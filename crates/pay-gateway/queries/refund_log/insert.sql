-- refund_log/insert
INSERT INTO refund_log (refund_no, version, at, from_state, to_state, event, actor, detail, trace_id, write_id)
VALUES /*[,*/(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)/*]*/
