-- obligations/postpone
UPDATE obligations SET due_at = ?, token = 0
WHERE kind = ? AND subject = ? AND part = ? AND token = ?
