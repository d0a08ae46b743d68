-- feed_cursors/get
SELECT pos, token, lease_until FROM feed_cursors WHERE subscriber = ? AND shard = ?
