-- charges/plan
UPDATE charges
SET payer_pays = CASE WHEN payer_at <= ?1 THEN payer_pays ELSE 1 END,
    payer_at = MIN(COALESCE(payer_at, ?1), ?1)
WHERE out_trade_no = ?2 AND state = 1 AND stage IN (0, 3)
