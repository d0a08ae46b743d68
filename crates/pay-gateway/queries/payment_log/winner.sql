-- payment_log/winner
SELECT write_id FROM payment_log WHERE /*[OR*/(order_no = ? AND attempt = ? AND version = ?)/*]*/
