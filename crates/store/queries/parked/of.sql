-- parked/of
SELECT publisher, seq, event_id, order_key, type, payload, traceparent, occurred_at
FROM parked WHERE order_key = ? ORDER BY seq LIMIT ?
