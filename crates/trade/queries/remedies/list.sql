-- remedies/list
SELECT attempt, finder, evidence, before_status, after_status, at
FROM remedies WHERE order_no = ? ORDER BY version
