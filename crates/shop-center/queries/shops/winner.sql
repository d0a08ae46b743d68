-- shops/winner
SELECT write_id FROM shops WHERE /*[OR*/(shop_id = ?)/*]*/
