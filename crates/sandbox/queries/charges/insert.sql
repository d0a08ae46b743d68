-- charges/insert
INSERT INTO charges (
    out_trade_no, mch_id, signer, token_id, amount, body, attach, device_info,
    sub_openid, sub_appid, notify_url, state, created_at, expires_at, wallet, buyer_id, wallet_no, way
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?)
ON CONFLICT (out_trade_no) DO NOTHING
