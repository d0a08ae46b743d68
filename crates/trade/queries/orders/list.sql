-- orders/list
SELECT order_no, merchant_id, shop_id, merchant_order_no, content, amount, kind, description, client_ip, details, status, attempt, canceled_by, refund_status, refunded, fulfilment, binding, payer_id, pay_type, paid_at, external_platform, external_no, late_money, bind_limit_at, pay_limit_at, version, created_at
FROM orders WHERE shop_id = ? AND order_no >= ? AND order_no < ? AND (? = 0 OR status = ?)
ORDER BY order_no DESC LIMIT ?
