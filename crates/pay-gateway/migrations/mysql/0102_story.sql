-- An order's story is asked for by the channel's number too, and tells the callbacks that were flagged.
CREATE INDEX payments_channel ON payments (channel_trade_no);
CREATE INDEX inbox_flags_detail ON inbox_flags (detail);
