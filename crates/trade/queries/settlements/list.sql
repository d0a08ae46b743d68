-- settlements/list
SELECT source, gross, fee, net, rate_ppm, scheme_version, attempt, paid_at, settled_at
FROM settlements WHERE order_no = ? ORDER BY settled_at, source
