-- feed_cursors/forget
UPDATE feed_cursors SET lease_until = 0, token = 0 WHERE token <> 0
