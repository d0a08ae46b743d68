-- refunds/of_charge
SELECT * FROM refunds WHERE out_trade_no = ? ORDER BY number
