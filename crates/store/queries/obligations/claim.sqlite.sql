-- obligations/claim
UPDATE obligations SET token = ?, due_at = ?, attempts = attempts + 1
WHERE (kind, subject, part) IN (
    SELECT kind, subject, part FROM obligations
    WHERE kind = ? AND due_at <= ? ORDER BY due_at, subject, part LIMIT ?)
