-- An order's story is asked for by the channel's number too.
CREATE INDEX payments_channel ON payments (channel_trade_no);
