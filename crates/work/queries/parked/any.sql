-- parked/any
SELECT seq FROM parked LIMIT 1
