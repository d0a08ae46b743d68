-- obligations/claimed
SELECT subject, part, attempts FROM obligations
WHERE kind = ? AND due_at = ? AND token = ?
