-- inbox/get
SELECT id, mch_id, out_trade_no, channel_trade_no, amount, currency, paid, paid_at, received_at
FROM inbox WHERE id = ?
