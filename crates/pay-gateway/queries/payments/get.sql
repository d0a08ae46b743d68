-- payments/get
SELECT order_no, attempt, live, state, reason, shop_id, pay_type, amount, pay_id, description, payer_id, client_ip, expires_at, send_before, account_id, mch_id, key_name, sign_agentno, sub_appid, groupno, pay_info, channel_trade_no, paid_at, paid_amount, close_sent_at, close_ended_at, close_reason, version, created_at, changed_at
FROM payments WHERE order_no = ? AND attempt = ?
