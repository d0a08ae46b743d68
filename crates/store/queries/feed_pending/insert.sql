-- feed_pending/insert
INSERT INTO feed_pending (order_key, part, version, event_id)
VALUES /*[,*/(?, ?, ?, ?)/*]*/
