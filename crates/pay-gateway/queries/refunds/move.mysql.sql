-- refunds/move
UPDATE refunds r JOIN (
    /*[UNION ALL*/SELECT ? AS refund_no, ? AS version, ? AS state, ? AS failure, ? AS reason, ? AS channel_refund_no, ? AS refunded_at, ? AS retry, ? AS changed_at/*]*/
) v ON r.refund_no = v.refund_no AND r.version = v.version - 1
SET r.version = v.version, r.state = v.state, r.failure = v.failure, r.reason = v.reason, r.channel_refund_no = v.channel_refund_no, r.refunded_at = v.refunded_at, r.retry = v.retry, r.changed_at = v.changed_at
