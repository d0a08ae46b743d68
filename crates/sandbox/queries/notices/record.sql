-- notices/record
UPDATE notices SET attempts = attempts + 1, acknowledged = ?, next_at = ?
WHERE out_trade_no = ? AND acknowledged = 0
