-- obligations/arm
INSERT INTO obligations (kind, subject, part, due_at, attempts, token)
VALUES /*[,*/(?, ?, ?, ?, 0, 0)/*]*/
ON DUPLICATE KEY UPDATE due_at = VALUES(due_at), attempts = 0, token = 0
