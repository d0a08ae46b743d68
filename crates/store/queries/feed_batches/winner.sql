-- feed_batches/winner
SELECT write_id FROM feed_batches WHERE /*[OR*/(batch_no = ?)/*]*/
