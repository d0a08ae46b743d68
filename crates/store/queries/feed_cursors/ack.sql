-- feed_cursors/ack
UPDATE feed_cursors SET pos = ?
WHERE subscriber = ? AND shard = ? AND token = ? AND pos < ?
