-- payments/move
UPDATE payments p JOIN (
    /*[UNION ALL*/SELECT ? AS order_no, ? AS attempt, ? AS version, ? AS live, ? AS state, ? AS reason, ? AS pay_info, ? AS channel_trade_no, ? AS paid_at, ? AS paid_amount, ? AS close_sent_at, ? AS close_ended_at, ? AS close_reason, ? AS changed_at/*]*/
) v ON p.order_no = v.order_no AND p.attempt = v.attempt AND p.version = v.version - 1
SET p.version = v.version, p.live = v.live, p.state = v.state, p.reason = v.reason, p.pay_info = v.pay_info, p.channel_trade_no = v.channel_trade_no, p.paid_at = v.paid_at, p.paid_amount = v.paid_amount, p.close_sent_at = v.close_sent_at, p.close_ended_at = v.close_ended_at, p.close_reason = v.close_reason, p.changed_at = v.changed_at
