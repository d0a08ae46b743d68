-- held/insert
INSERT INTO held (out_trade_no, released)
SELECT this.out_trade_no, 0 FROM entries AS this
WHERE this.out_trade_no = ?
  AND NOT EXISTS (
      SELECT 1 FROM held JOIN entries AS earlier ON earlier.out_trade_no = held.out_trade_no
      WHERE held.released = 0 AND earlier.attempts = 0 AND earlier.next_at IS NOT NULL
        AND earlier.mch_id = this.mch_id AND earlier.paid_at <= this.paid_at
        AND earlier.out_trade_no <> this.out_trade_no
  )
ON CONFLICT (out_trade_no) DO NOTHING
