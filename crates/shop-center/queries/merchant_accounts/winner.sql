-- merchant_accounts/winner
SELECT write_id FROM merchant_accounts WHERE /*[OR*/(account_id = ?)/*]*/
