-- parked/end
DELETE FROM parked WHERE publisher = ? AND seq = ?
