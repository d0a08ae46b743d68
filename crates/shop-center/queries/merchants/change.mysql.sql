-- merchants/change
UPDATE merchants t JOIN (
    /*[UNION ALL*/SELECT ? AS merchant_id, ? AS version, ? AS name, ? AS late_money, ? AS updated_at/*]*/
) v ON t.merchant_id = v.merchant_id AND t.version = v.version - 1
SET t.version = v.version, t.name = v.name, t.late_money = v.late_money, t.updated_at = v.updated_at
