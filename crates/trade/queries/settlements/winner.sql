-- settlements/winner
SELECT write_id FROM settlements WHERE /*[OR*/(order_no = ? AND source = ?)/*]*/
