-- inbox/winner
SELECT write_id FROM inbox WHERE /*[OR*/(digest = ?)/*]*/
