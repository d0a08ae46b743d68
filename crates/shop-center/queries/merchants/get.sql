-- merchants/get
SELECT merchant_id, name AS merchant_name, late_money, created_at AS merchant_created_at
FROM merchants WHERE merchant_id = ?
