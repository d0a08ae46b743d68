-- merchant_accounts/get
SELECT account_id, shop_id, channel, pay_type, mch_id, sign_agentno, groupno, sub_appid, key_name, weight, enabled, version, created_at, updated_at
FROM merchant_accounts WHERE account_id = ?
