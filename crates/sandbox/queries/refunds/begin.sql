-- refunds/begin
UPDATE refunds
SET state = 1,
    ending = ?1,
    ends_at = ?2,
    refund_id = COALESCE(refund_id, '50' || mch_id || ?3 || substr('0000000000' || number, -10))
WHERE out_refund_no = ?4
