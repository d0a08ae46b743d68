-- order_log/tries
SELECT COUNT(*) AS tries FROM order_log
WHERE order_no = ? AND event IN ('REVOKE_TRIED', 'REVOKE_TRIES_EXHAUSTED')
