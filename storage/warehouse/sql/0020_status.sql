-- Whether each connection is synced, as of the publication; null until the file is published next.
ALTER TABLE connections ADD COLUMN status VARCHAR;
