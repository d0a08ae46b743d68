-- leases/open
INSERT INTO leases (name, slot, token, until) VALUES (?, ?, 0, 0)
ON DUPLICATE KEY UPDATE token = token
