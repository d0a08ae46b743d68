-- What else a channel is to be told of an account.
ALTER TABLE merchant_accounts
    ADD COLUMN sub_appid VARCHAR(32) NOT NULL DEFAULT '', -- the merchant's own app at WeChat; empty: none
    ADD COLUMN groupno   VARCHAR(32) NOT NULL DEFAULT ''; -- the chain merchant's number; empty: none
