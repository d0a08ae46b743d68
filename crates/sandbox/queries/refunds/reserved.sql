-- refunds/reserved
SELECT COALESCE(SUM(amount), 0) AS reserved FROM refunds
WHERE out_trade_no = ? AND out_refund_no <> ? AND state <> 3
