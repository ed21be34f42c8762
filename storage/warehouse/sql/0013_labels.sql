-- How often each connection is synced, and its labels, as of the last write.
ALTER TABLE connections ADD COLUMN frequency VARCHAR;
ALTER TABLE connections ADD COLUMN labels VARCHAR[];
