-- charges/acted
UPDATE charges SET payer_at = NULL WHERE out_trade_no = ?
