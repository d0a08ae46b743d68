-- refunds/of_payment
SELECT refund_no, order_no, attempt, amount, total, state, failure, reason, channel_refund_no, refunded_at, retry, version, created_at, changed_at
FROM refunds WHERE order_no = ? AND attempt = ? ORDER BY refund_no
