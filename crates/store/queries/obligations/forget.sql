-- obligations/forget
UPDATE obligations SET due_at = ?, token = 0 WHERE token <> 0
