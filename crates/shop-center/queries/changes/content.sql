-- changes/content
SELECT content FROM changes WHERE kind = ? AND id = ? AND version = ?
