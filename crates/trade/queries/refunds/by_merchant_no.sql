-- refunds/by_merchant_no
SELECT refund_no, order_no, merchant_refund_no, attempt, amount, state, origin, failure, by_whom, reason, refusal, evidence, retry, refunded_at, created_at, changed_at
FROM refunds WHERE order_no = ? AND merchant_refund_no = ?
