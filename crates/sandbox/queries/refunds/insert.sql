-- refunds/insert
INSERT INTO refunds (out_refund_no, out_trade_no, mch_id, amount, state, ending, sent, created_at)
VALUES (?, ?, ?, ?, 1, 1, 0, ?)
ON CONFLICT (out_refund_no) DO NOTHING
