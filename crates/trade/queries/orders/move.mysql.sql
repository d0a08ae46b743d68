-- orders/move
UPDATE orders o JOIN (
    /*[UNION ALL*/SELECT ? AS order_no, ? AS version, ? AS status, ? AS attempt, ? AS canceled_by, ? AS refund_status, ? AS refunded, ? AS fulfilment, ? AS binding, ? AS payer_id, ? AS pay_type, ? AS paid_at, ? AS updated_at/*]*/
) v ON o.order_no = v.order_no AND o.version = v.version - 1
SET o.version = v.version, o.status = v.status, o.attempt = v.attempt, o.canceled_by = v.canceled_by, o.refund_status = v.refund_status, o.refunded = v.refunded, o.fulfilment = v.fulfilment, o.binding = v.binding, o.payer_id = v.payer_id, o.pay_type = v.pay_type, o.paid_at = v.paid_at, o.updated_at = v.updated_at
