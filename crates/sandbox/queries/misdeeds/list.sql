-- misdeeds/list
SELECT * FROM misdeeds
WHERE done > 0 AND number > ?1 AND (?2 = '' OR out_trade_no = ?2)
ORDER BY number LIMIT ?3
