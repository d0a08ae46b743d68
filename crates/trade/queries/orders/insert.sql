-- orders/insert
INSERT INTO orders (order_no, merchant_id, shop_id, merchant_order_no, content, amount, kind, description, client_ip, details, status, attempt, canceled_by, refund_status, refunded, fulfilment, binding, payer_id, pay_type, paid_at, external_platform, external_no, late_money, bind_limit_at, pay_limit_at, version, created_at, updated_at, write_id)
VALUES /*[,*/(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)/*]*/
