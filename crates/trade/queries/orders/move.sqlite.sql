-- orders/move
WITH v (order_no, version, status, attempt, canceled_by, refund_status, refunded, fulfilment, binding, payer_id, pay_type, paid_at, updated_at) AS (
    VALUES /*[,*/(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)/*]*/)
UPDATE orders SET version = v.version, status = v.status, attempt = v.attempt, canceled_by = v.canceled_by, refund_status = v.refund_status, refunded = v.refunded, fulfilment = v.fulfilment, binding = v.binding, payer_id = v.payer_id, pay_type = v.pay_type, paid_at = v.paid_at, updated_at = v.updated_at
FROM v WHERE orders.order_no = v.order_no AND orders.version = v.version - 1
