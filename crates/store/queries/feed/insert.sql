-- feed/insert
INSERT INTO feed (seq, shard, event_id) VALUES /*[,*/(?, ?, ?)/*]*/
