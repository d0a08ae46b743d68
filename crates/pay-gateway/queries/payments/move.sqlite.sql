-- payments/move
WITH v (order_no, attempt, version, live, state, reason, pay_info, channel_trade_no, paid_at, paid_amount, close_sent_at, close_ended_at, close_reason, changed_at) AS (
    VALUES /*[,*/(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)/*]*/)
UPDATE payments SET version = v.version, live = v.live, state = v.state, reason = v.reason, pay_info = v.pay_info, channel_trade_no = v.channel_trade_no, paid_at = v.paid_at, paid_amount = v.paid_amount, close_sent_at = v.close_sent_at, close_ended_at = v.close_ended_at, close_reason = v.close_reason, changed_at = v.changed_at
FROM v WHERE payments.order_no = v.order_no AND payments.attempt = v.attempt
    AND payments.version = v.version - 1
