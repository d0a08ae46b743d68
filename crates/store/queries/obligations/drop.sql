-- obligations/drop
DELETE FROM obligations
WHERE kind = ? AND subject = ? AND part = ? AND token = ?
