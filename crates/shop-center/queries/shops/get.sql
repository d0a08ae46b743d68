-- shops/get
SELECT s.shop_id, s.merchant_id, s.name AS shop_name, s.status, s.kind, s.created_at AS shop_created_at,
       m.name AS merchant_name, m.late_money, m.created_at AS merchant_created_at
FROM shops s JOIN merchants m ON m.merchant_id = s.merchant_id WHERE s.shop_id = ?
