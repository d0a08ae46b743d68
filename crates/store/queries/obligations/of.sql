-- obligations/of
SELECT kind, part, due_at, attempts FROM obligations
WHERE subject = ? AND kind >= 0 ORDER BY kind, part
