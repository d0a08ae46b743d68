-- orders/winner
SELECT write_id FROM orders WHERE /*[OR*/(merchant_id = ? AND merchant_order_no = ?)/*]*/
