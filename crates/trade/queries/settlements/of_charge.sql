-- settlements/of_charge
SELECT source, gross, fee, rate_ppm, scheme_version, seq, paid_at
FROM settlements WHERE order_no = ? AND attempt = ? ORDER BY seq
