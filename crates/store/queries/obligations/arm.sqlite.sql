-- obligations/arm
INSERT INTO obligations (kind, subject, part, due_at, attempts, token)
VALUES /*[,*/(?, ?, ?, ?, 0, 0)/*]*/
ON CONFLICT (kind, subject, part) DO UPDATE SET due_at = excluded.due_at, attempts = 0, token = 0
