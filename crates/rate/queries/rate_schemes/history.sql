-- rate_schemes/history
SELECT version, current_ppm, future_ppm, future_begin, min_fee, cap_fee, published_at, published_by
FROM rate_schemes WHERE shop_id = ? AND pay_type = ? AND version > ?
ORDER BY version LIMIT ?
