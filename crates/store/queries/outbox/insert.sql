-- outbox/insert
INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, order_key, version, traceparent, occurred_at)
VALUES /*[,*/(?, ?, ?, ?, ?, ?, ?, ?, ?)/*]*/
