-- notices/insert
INSERT INTO notices (out_trade_no, attempts, next_at, acknowledged)
SELECT out_trade_no, 0, ?, 0 FROM charges WHERE out_trade_no = ? AND notify_url IS NOT NULL
