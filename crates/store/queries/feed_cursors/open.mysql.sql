-- feed_cursors/open
INSERT INTO feed_cursors (subscriber, shard, pos, token, lease_until)
VALUES (?, ?, 0, 0, 0) ON DUPLICATE KEY UPDATE pos = pos
