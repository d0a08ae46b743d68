-- payment_log/of_order
SELECT attempt, version, at, from_state, to_state, event, actor, detail
FROM payment_log WHERE order_no = ? ORDER BY at, attempt, version
