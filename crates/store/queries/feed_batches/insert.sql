-- feed_batches/insert
INSERT INTO feed_batches (batch_no, last_seq, sequenced_at, write_id)
VALUES /*[,*/(?, ?, ?, ?)/*]*/
