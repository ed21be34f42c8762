-- A walk has named these entities now.
DELETE FROM seen_names s
USING entity_rows w
WHERE w.connection_id = s.connection_id AND w.level = s.level AND w.external_id = s.external_id AND w.name IS NOT NULL
