-- refunds/move
UPDATE refunds r JOIN (
    /*[UNION ALL*/SELECT ? AS refund_no, ? AS from_state, ? AS state, ? AS failure, ? AS refusal, ? AS evidence, ? AS retry, ? AS refunded_at, ? AS changed_at/*]*/
) v ON r.refund_no = v.refund_no AND r.state = v.from_state
SET r.state = v.state, r.failure = v.failure, r.refusal = v.refusal, r.evidence = v.evidence, r.retry = v.retry, r.refunded_at = v.refunded_at, r.changed_at = v.changed_at
