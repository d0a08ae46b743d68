-- charges/refunded
UPDATE charges
SET refunded = (
    SELECT COALESCE(SUM(amount), 0) FROM refunds
    WHERE refunds.out_trade_no = charges.out_trade_no AND refunds.state = 2
)
WHERE out_trade_no = ?
