-- What counts now in each connection, since when, and by which attribution, as of the last write; and the attribution of each mapping:
-- the platform's own (default), windows of Meta that are added up, or the day of the conversion (Google).
ALTER TABLE connections ADD COLUMN mapping VARCHAR;
ALTER TABLE connections ADD COLUMN mapping_since TIMESTAMPTZ;
ALTER TABLE connections ADD COLUMN attribution VARCHAR;
ALTER TABLE mappings ADD COLUMN attribution VARCHAR;
UPDATE mappings SET attribution = 'default';
