-- rate_schemes/winner
SELECT write_id FROM rate_schemes WHERE /*[OR*/(shop_id = ? AND pay_type = ? AND version = ?)/*]*/
