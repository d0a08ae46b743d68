-- scripts/remove
DELETE FROM scripts WHERE name = ?
