-- notices/postpone
UPDATE notices SET next_at = ? WHERE out_trade_no = ? AND acknowledged = 0
