-- merchant_accounts/of_mch_id
SELECT account_id, shop_id, channel, pay_type, mch_id, sign_agentno, groupno, sub_appid, key_name, weight, enabled, version, created_at, updated_at
FROM merchant_accounts WHERE channel = ? AND mch_id = ? AND account_id > ? ORDER BY account_id LIMIT ?
