-- changes/winner
SELECT write_id FROM changes WHERE /*[OR*/(kind = ? AND id = ? AND version = ?)/*]*/
