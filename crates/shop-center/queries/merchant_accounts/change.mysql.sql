-- merchant_accounts/change
UPDATE merchant_accounts t JOIN (
    /*[UNION ALL*/SELECT ? AS account_id, ? AS version, ? AS sign_agentno, ? AS groupno, ? AS sub_appid, ? AS key_name, ? AS weight, ? AS enabled, ? AS updated_at/*]*/
) v ON t.account_id = v.account_id AND t.version = v.version - 1
SET t.version = v.version, t.sign_agentno = v.sign_agentno, t.groupno = v.groupno, t.sub_appid = v.sub_appid, t.key_name = v.key_name, t.weight = v.weight, t.enabled = v.enabled, t.updated_at = v.updated_at
