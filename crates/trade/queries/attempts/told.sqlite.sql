-- attempts/told
WITH v (order_no, attempt, paid_at, paid_amount, reversed_at, payment_version) AS (
    VALUES /*[,*/(?, ?, ?, ?, ?, ?)/*]*/)
UPDATE attempts SET paid_at = v.paid_at, paid_amount = v.paid_amount,
    reversed_at = v.reversed_at, payment_version = v.payment_version
FROM v WHERE attempts.order_no = v.order_no AND attempts.attempt = v.attempt
