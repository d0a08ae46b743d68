-- merchants/change
UPDATE merchants t JOIN (
    /*[UNION ALL*/SELECT ? AS merchant_id, ? AS version, ? AS name, ? AS late_money, ? AS notify_url, ? AS notify_key_name, ? AS updated_at/*]*/
) v ON t.merchant_id = v.merchant_id AND t.version = v.version - 1
SET t.version = v.version, t.name = v.name, t.late_money = v.late_money, t.notify_url = v.notify_url, t.notify_key_name = v.notify_key_name, t.updated_at = v.updated_at
