-- merchants/list
SELECT merchant_id, name, late_money, notify_url, notify_key_name, version, created_at, updated_at
FROM merchants WHERE merchant_id > ? ORDER BY merchant_id LIMIT ?
