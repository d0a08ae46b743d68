-- And tells the callbacks that were flagged.
CREATE INDEX inbox_flags_detail ON inbox_flags (detail);
