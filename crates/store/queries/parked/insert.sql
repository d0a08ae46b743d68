-- parked/insert
INSERT INTO parked (publisher, seq, event_id, order_key, type, payload, traceparent, occurred_at, reason, parked_at, write_id)
VALUES /*[,*/(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)/*]*/
