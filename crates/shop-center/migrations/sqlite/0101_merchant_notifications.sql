-- Where merchants are told of their orders.
ALTER TABLE merchants ADD COLUMN notify_url      VARCHAR(512) NOT NULL DEFAULT ''; -- where it is told of its orders; empty: nowhere
ALTER TABLE merchants ADD COLUMN notify_key_name VARCHAR(64)  NOT NULL DEFAULT ''; -- under which the sender holds the signing key; empty where notify_url is
