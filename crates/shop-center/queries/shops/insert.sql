-- shops/insert
INSERT INTO shops (shop_id, merchant_id, name, status, kind, created_at, write_id)
VALUES /*[,*/(?, ?, ?, ?, ?, ?, ?)/*]*/
