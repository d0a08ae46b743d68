-- payments/winner
SELECT write_id FROM payments WHERE /*[OR*/(order_no = ? AND attempt = ?)/*]*/
