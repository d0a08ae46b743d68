-- leases/forget
UPDATE leases SET until = 0, token = 0 WHERE token <> 0
