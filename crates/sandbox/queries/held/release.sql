-- held/release
UPDATE held SET released = 1
WHERE released = 0 AND out_trade_no IN (
    SELECT earlier.out_trade_no
    FROM entries AS earlier JOIN entries AS sent ON sent.mch_id = earlier.mch_id
    WHERE sent.out_trade_no = ? AND earlier.attempts = 0 AND earlier.next_at IS NOT NULL
      AND earlier.paid_at <= sent.paid_at AND earlier.out_trade_no <> sent.out_trade_no
)
RETURNING out_trade_no
