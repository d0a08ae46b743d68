-- refunds/end
UPDATE refunds
SET state = ending,
    refunded_at = CASE WHEN ending = 2 THEN ends_at END,
    ends_at = NULL
WHERE ends_at <= ?
RETURNING out_trade_no
