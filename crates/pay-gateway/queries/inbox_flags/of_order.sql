-- inbox_flags/of_order
SELECT reason, flagged_at, mch_id, out_trade_no, channel_trade_no, amount
FROM inbox_flags JOIN inbox ON inbox.id = inbox_flags.inbox_id
WHERE inbox_flags.detail BETWEEN ? AND ? ORDER BY inbox_flags.detail, inbox_flags.inbox_id LIMIT ?
