-- notices/next
SELECT MIN(next_at) AS next_at FROM notices WHERE next_at > ?
