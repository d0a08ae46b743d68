-- merchant_accounts/of_route
SELECT account_id, shop_id, channel, pay_type, mch_id, sign_agentno, groupno, sub_appid, key_name, weight, enabled, version, created_at, updated_at
FROM merchant_accounts WHERE shop_id = ? AND channel = ? AND pay_type = ? AND mch_id = ?
