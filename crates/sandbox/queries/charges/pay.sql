-- charges/pay
UPDATE charges
SET state = 2,
    stage = 0,
    payer_at = NULL,
    paid_at = ?1,
    transaction_id = mch_id || ?2 || substr('0000000000' || number, -10),
    out_transaction_id = COALESCE(wallet_no, '4200000001' || ?2 || substr('0000000000' || number, -10))
WHERE out_trade_no = ?3 AND state = 1 AND stage IN (0, 3) AND (expires_at IS NULL OR expires_at > ?1)
