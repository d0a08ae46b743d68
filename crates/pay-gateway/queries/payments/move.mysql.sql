-- payments/move
UPDATE payments p JOIN (
    /*[UNION ALL*/SELECT ? AS order_no, ? AS attempt, ? AS version, ? AS live, ? AS state, ? AS reason, ? AS pay_info, ? AS channel_trade_no, ? AS paid_at, ? AS changed_at/*]*/
) v ON p.order_no = v.order_no AND p.attempt = v.attempt AND p.version = v.version - 1
SET p.version = v.version, p.live = v.live, p.state = v.state, p.reason = v.reason, p.pay_info = v.pay_info, p.channel_trade_no = v.channel_trade_no, p.paid_at = v.paid_at, p.changed_at = v.changed_at
