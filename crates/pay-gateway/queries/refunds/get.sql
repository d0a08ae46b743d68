-- refunds/get
SELECT refund_no, order_no, attempt, amount, total, state, failure, reason, channel_refund_no, refunded_at, retry, version, created_at, changed_at
FROM refunds WHERE refund_no = ?
