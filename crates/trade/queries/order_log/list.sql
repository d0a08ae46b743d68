-- order_log/list
SELECT version, at, from_status, to_status, event, actor, detail, trace_id
FROM order_log WHERE order_no = ? ORDER BY version
