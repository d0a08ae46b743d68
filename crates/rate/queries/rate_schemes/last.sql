-- rate_schemes/last
SELECT version, current_ppm, future_ppm, future_begin, min_fee, cap_fee, published_at
FROM rate_schemes WHERE shop_id = ? AND pay_type = ?
ORDER BY version DESC LIMIT 1
