-- refunds/insert
INSERT INTO refunds (refund_no, order_no, merchant_refund_no, attempt, amount, state, origin, failure, by_whom, reason, refusal, evidence, retry, refunded_at, created_at, changed_at)
VALUES /*[,*/(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)/*]*/
