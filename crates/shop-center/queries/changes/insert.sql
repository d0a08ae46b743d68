-- changes/insert
INSERT INTO changes (kind, id, version, at, event, actor, trace_id, content, write_id)
VALUES /*[,*/(?, ?, ?, ?, ?, ?, ?, ?, ?)/*]*/
