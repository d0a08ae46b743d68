-- What else a channel is told of the account that takes the money.
ALTER TABLE payments ADD COLUMN sub_appid VARCHAR(32) NOT NULL DEFAULT ''; -- the merchant's own app at WeChat; empty: the channel's
ALTER TABLE payments ADD COLUMN groupno   VARCHAR(32) NOT NULL DEFAULT ''; -- the chain merchant's number; empty: none
