-- inbox_flags/insert
INSERT INTO inbox_flags (inbox_id, reason, detail, flagged_at, write_id)
VALUES /*[,*/(?, ?, ?, ?, ?)/*]*/
