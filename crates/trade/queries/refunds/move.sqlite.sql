-- refunds/move
WITH v (refund_no, from_state, state, failure, refusal, evidence, retry, refunded_at, changed_at) AS (
    VALUES /*[,*/(?, ?, ?, ?, ?, ?, ?, ?, ?)/*]*/)
UPDATE refunds SET state = v.state, failure = v.failure, refusal = v.refusal, evidence = v.evidence, retry = v.retry, refunded_at = v.refunded_at, changed_at = v.changed_at
FROM v WHERE refunds.refund_no = v.refund_no AND refunds.state = v.from_state
