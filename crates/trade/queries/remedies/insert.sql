-- remedies/insert
INSERT INTO remedies (order_no, version, attempt, finder, evidence, before_status, after_status, at)
VALUES /*[,*/(?, ?, ?, ?, ?, ?, ?, ?)/*]*/
