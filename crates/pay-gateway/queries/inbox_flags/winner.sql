-- inbox_flags/winner
SELECT write_id FROM inbox_flags WHERE /*[OR*/(inbox_id = ?)/*]*/
