-- settlements/insert
INSERT INTO settlements (order_no, source, gross, fee, net, rate_ppm, scheme_version, attempt, seq, paid_at, settled_at, write_id)
VALUES /*[,*/(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)/*]*/
