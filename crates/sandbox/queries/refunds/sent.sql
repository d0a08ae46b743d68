-- refunds/sent
UPDATE refunds SET sent = sent + 1 WHERE out_refund_no = ?
