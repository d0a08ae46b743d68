-- shops/change
WITH v (shop_id, version, name, status, updated_at) AS (
    VALUES /*[,*/(?, ?, ?, ?, ?)/*]*/)
UPDATE shops SET version = v.version, name = v.name, status = v.status, updated_at = v.updated_at
FROM v WHERE shops.shop_id = v.shop_id AND shops.version = v.version - 1
