-- parked/winner
SELECT write_id FROM parked WHERE /*[OR*/(publisher = ? AND seq = ?)/*]*/
