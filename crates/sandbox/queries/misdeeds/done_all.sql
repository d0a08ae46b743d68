-- misdeeds/done_all
UPDATE misdeeds SET done = 1 WHERE out_trade_no = ? AND kind = ?
