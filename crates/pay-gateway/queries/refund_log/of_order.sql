-- refund_log/of_order
SELECT l.refund_no, l.version, l.at, l.from_state, l.to_state, l.event, l.actor, l.detail
FROM refund_log l JOIN refunds r ON r.refund_no = l.refund_no
WHERE r.order_no = ? ORDER BY l.at, l.refund_no, l.version
