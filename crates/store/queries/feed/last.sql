-- feed/last
SELECT COALESCE(MAX(last_seq), 0) AS last_seq FROM feed_batches
