-- payments/of_channel
SELECT MIN(order_no) AS first, MAX(order_no) AS last FROM payments WHERE channel_trade_no = ?
