-- shops/insert
INSERT INTO shops (shop_id, merchant_id, name, status, kind, version, created_at, updated_at, write_id)
VALUES /*[,*/(?, ?, ?, ?, ?, ?, ?, ?, ?)/*]*/
