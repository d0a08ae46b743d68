-- shops/get
SELECT shop_id, merchant_id, name, status, kind, version, created_at, updated_at
FROM shops WHERE shop_id = ?
