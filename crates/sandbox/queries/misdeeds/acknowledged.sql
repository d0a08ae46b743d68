-- misdeeds/acknowledged
UPDATE misdeeds SET acknowledged = acknowledged + 1
WHERE out_trade_no = ?1 AND script = ?2 AND step = ?3 AND kind = ?4
