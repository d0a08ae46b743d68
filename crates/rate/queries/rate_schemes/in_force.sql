-- rate_schemes/in_force
SELECT version, current_ppm, future_ppm, future_begin, min_fee, cap_fee, published_at
FROM rate_schemes WHERE shop_id = ? AND pay_type = ? AND published_at <= ?
ORDER BY published_at DESC, version DESC LIMIT 1
