-- refunds/move
WITH v (refund_no, version, state, failure, reason, channel_refund_no, refunded_at, retry, changed_at) AS (
    VALUES /*[,*/(?, ?, ?, ?, ?, ?, ?, ?, ?)/*]*/)
UPDATE refunds SET version = v.version, state = v.state, failure = v.failure, reason = v.reason, channel_refund_no = v.channel_refund_no, refunded_at = v.refunded_at, retry = v.retry, changed_at = v.changed_at
FROM v WHERE refunds.refund_no = v.refund_no AND refunds.version = v.version - 1
