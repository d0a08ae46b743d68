-- notices/due
SELECT * FROM (
    SELECT entries.*, ROW_NUMBER() OVER (PARTITION BY mch_id ORDER BY next_at, number) AS place
    FROM entries
    WHERE next_at <= ?
)
WHERE place <= ?
ORDER BY place, next_at
