-- pay_requests/winner
SELECT write_id FROM pay_requests WHERE /*[OR*/(order_no = ? AND request_id = ?)/*]*/
