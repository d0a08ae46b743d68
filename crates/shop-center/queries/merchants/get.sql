-- merchants/get
SELECT merchant_id, name, late_money, version, created_at, updated_at
FROM merchants WHERE merchant_id = ?
