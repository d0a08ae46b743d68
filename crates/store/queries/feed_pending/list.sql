-- feed_pending/list
SELECT order_key, part, version, event_id FROM feed_pending
ORDER BY order_key, part, version, event_id LIMIT ?
