-- obligations/end
DELETE FROM obligations
WHERE /*[OR*/(kind = ? AND subject = ? AND part = ?)/*]*/
