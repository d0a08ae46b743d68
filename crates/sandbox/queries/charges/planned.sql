-- charges/planned
SELECT out_trade_no, payer_at, payer_pays FROM charges WHERE payer_at <= ? ORDER BY payer_at, number
