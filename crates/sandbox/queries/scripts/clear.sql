-- scripts/clear
DELETE FROM scripts
