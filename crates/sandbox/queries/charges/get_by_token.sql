-- charges/get_by_token
SELECT * FROM entries WHERE token_id = ?
