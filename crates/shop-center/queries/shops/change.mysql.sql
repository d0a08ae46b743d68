-- shops/change
UPDATE shops t JOIN (
    /*[UNION ALL*/SELECT ? AS shop_id, ? AS version, ? AS name, ? AS status, ? AS updated_at/*]*/
) v ON t.shop_id = v.shop_id AND t.version = v.version - 1
SET t.version = v.version, t.name = v.name, t.status = v.status, t.updated_at = v.updated_at
