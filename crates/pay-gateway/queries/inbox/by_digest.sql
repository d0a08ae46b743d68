-- inbox/by_digest
SELECT id FROM inbox WHERE digest = ?
