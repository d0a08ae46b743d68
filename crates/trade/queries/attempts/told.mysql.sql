-- attempts/told
UPDATE attempts a JOIN (
    /*[UNION ALL*/SELECT ? AS order_no, ? AS attempt, ? AS paid_at, ? AS paid_amount, ? AS reversed_at, ? AS payment_version/*]*/
) v ON a.order_no = v.order_no AND a.attempt = v.attempt
SET a.paid_at = v.paid_at, a.paid_amount = v.paid_amount, a.reversed_at = v.reversed_at,
    a.payment_version = v.payment_version
