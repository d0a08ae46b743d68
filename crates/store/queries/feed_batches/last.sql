-- feed_batches/last
SELECT batch_no, last_seq FROM feed_batches ORDER BY batch_no DESC LIMIT 1
