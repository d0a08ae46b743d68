-- order_log/winner
SELECT write_id FROM order_log WHERE /*[OR*/(order_no = ? AND version = ?)/*]*/
