-- leases/take
UPDATE leases SET token = ?, until = ? WHERE name = ? AND slot = ? AND until < ?
