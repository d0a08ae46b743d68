-- feed_cursors/lease
UPDATE feed_cursors SET token = ?, lease_until = ?
WHERE subscriber = ? AND shard = ? AND (token = ? OR lease_until < ?)
