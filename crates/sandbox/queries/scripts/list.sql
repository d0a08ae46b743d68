-- scripts/list
SELECT script FROM scripts ORDER BY place
