-- obligations/claim
UPDATE obligations SET token = ?, due_at = ?, attempts = attempts + 1
WHERE kind = ? AND due_at <= ? ORDER BY due_at, subject, part LIMIT ?
