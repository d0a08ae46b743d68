-- feed_pending/end
DELETE FROM feed_pending
WHERE /*[OR*/(order_key = ? AND part = ? AND version = ? AND event_id = ?)/*]*/
