-- rate_schemes/insert
INSERT INTO rate_schemes (shop_id, pay_type, version, current_ppm, future_ppm, future_begin, min_fee, cap_fee, published_at, published_by, trace_id, write_id)
VALUES /*[,*/(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)/*]*/
