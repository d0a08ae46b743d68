-- charges/get_by_transaction
SELECT * FROM entries WHERE transaction_id = ?
