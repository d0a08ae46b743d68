-- attempts/told
WITH v (order_no, attempt, paid_at, payment_version) AS (
    VALUES /*[,*/(?, ?, ?, ?)/*]*/)
UPDATE attempts SET paid_at = v.paid_at, payment_version = v.payment_version
FROM v WHERE attempts.order_no = v.order_no AND attempts.attempt = v.attempt
