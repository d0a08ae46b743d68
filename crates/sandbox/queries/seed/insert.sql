-- seed/insert
INSERT INTO seed (id, seed) VALUES (1, ?) ON CONFLICT (id) DO NOTHING
