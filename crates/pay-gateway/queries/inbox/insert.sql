-- inbox/insert
INSERT INTO inbox (id, digest, channel, mch_id, out_trade_no, channel_trade_no, amount, currency, paid, paid_at, body, received_at, write_id)
VALUES /*[,*/(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)/*]*/
