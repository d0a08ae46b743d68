-- merchants/insert
INSERT INTO merchants (merchant_id, name, late_money, notify_url, notify_key_name, version, created_at, updated_at, write_id)
VALUES /*[,*/(?, ?, ?, ?, ?, ?, ?, ?, ?)/*]*/
