-- shops/of_merchant
SELECT shop_id, merchant_id, name, status, kind, version, created_at, updated_at
FROM shops WHERE merchant_id = ? AND shop_id > ? ORDER BY shop_id LIMIT ?
