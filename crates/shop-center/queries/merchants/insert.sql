-- merchants/insert
INSERT INTO merchants (merchant_id, name, late_money, version, created_at, updated_at, write_id)
VALUES /*[,*/(?, ?, ?, ?, ?, ?, ?)/*]*/
