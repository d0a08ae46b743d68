-- feed/read
SELECT f.seq, o.id, o.aggregatetype, o.type, o.payload, o.order_key, o.traceparent, o.occurred_at
FROM feed f JOIN outbox o ON o.id = f.event_id
WHERE f.shard = ? AND f.seq > ? ORDER BY f.seq LIMIT ?
