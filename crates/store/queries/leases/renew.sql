-- leases/renew
UPDATE leases SET until = ? WHERE name = ? AND slot = ? AND token = ?
