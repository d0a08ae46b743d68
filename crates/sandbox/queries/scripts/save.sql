-- scripts/save
INSERT INTO scripts (name, script) VALUES (?, ?)
ON CONFLICT (name) DO UPDATE SET script = excluded.script
