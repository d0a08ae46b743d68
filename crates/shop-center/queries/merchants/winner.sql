-- merchants/winner
SELECT write_id FROM merchants WHERE /*[OR*/(merchant_id = ?)/*]*/
