-- obligations/backlog
SELECT COUNT(*) AS waiting, MIN(due_at) AS oldest FROM obligations
WHERE kind = ? AND due_at <= ?
