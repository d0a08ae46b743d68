-- merchants/change
WITH v (merchant_id, version, name, late_money, notify_url, notify_key_name, updated_at) AS (
    VALUES /*[,*/(?, ?, ?, ?, ?, ?, ?)/*]*/)
UPDATE merchants SET version = v.version, name = v.name, late_money = v.late_money, notify_url = v.notify_url, notify_key_name = v.notify_key_name, updated_at = v.updated_at
FROM v WHERE merchants.merchant_id = v.merchant_id AND merchants.version = v.version - 1
