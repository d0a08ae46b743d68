-- charges/ask_payer
UPDATE charges SET stage = 3, payer_at = ?, payer_pays = ? WHERE out_trade_no = ? AND state = 1
