-- shops/list
SELECT shop_id, merchant_id, name, status, kind, version, created_at, updated_at
FROM shops WHERE shop_id > ? ORDER BY shop_id LIMIT ?
