-- merchant_accounts/change
WITH v (account_id, version, sign_agentno, groupno, sub_appid, key_name, weight, enabled, updated_at) AS (
    VALUES /*[,*/(?, ?, ?, ?, ?, ?, ?, ?, ?)/*]*/)
UPDATE merchant_accounts SET version = v.version, sign_agentno = v.sign_agentno, groupno = v.groupno, sub_appid = v.sub_appid, key_name = v.key_name, weight = v.weight, enabled = v.enabled, updated_at = v.updated_at
FROM v WHERE merchant_accounts.account_id = v.account_id AND merchant_accounts.version = v.version - 1
