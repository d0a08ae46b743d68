-- merchants/insert
INSERT INTO merchants (merchant_id, name, late_money, created_at, write_id)
VALUES /*[,*/(?, ?, ?, ?, ?)/*]*/
