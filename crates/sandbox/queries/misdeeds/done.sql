-- misdeeds/done
UPDATE misdeeds SET done = CASE WHEN ?5 THEN 1 ELSE done + 1 END
WHERE out_trade_no = ?1 AND script = ?2 AND step = ?3 AND kind = ?4
