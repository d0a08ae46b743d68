-- attempts/pay
WITH v (order_no, attempt, paid_at) AS (
    VALUES /*[,*/(?, ?, ?)/*]*/)
UPDATE attempts SET paid_at = v.paid_at
FROM v WHERE attempts.order_no = v.order_no AND attempts.attempt = v.attempt
