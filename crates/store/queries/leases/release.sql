-- leases/release
UPDATE leases SET until = 0, token = 0 WHERE name = ? AND slot = ? AND token = ?
