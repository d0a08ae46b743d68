-- rate_schemes/in_force
SELECT version, current_ppm, future_ppm, future_begin, min_fee, cap_fee, published_at
FROM rate_schemes WHERE shop_id = ? AND pay_type = ? AND (published_at <= ? OR version = 1)
ORDER BY version DESC LIMIT 1
