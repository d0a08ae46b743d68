-- refund_log/winner
SELECT write_id FROM refund_log WHERE /*[OR*/(refund_no = ? AND version = ?)/*]*/
