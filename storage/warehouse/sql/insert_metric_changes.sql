INSERT INTO {{ history }} BY NAME
SELECT c.* EXCLUDE (inserted), r.now AS changed_at, r.run_id, r.generation
FROM {{ changes }} c
JOIN runs r USING (connection_id)
ORDER BY c.connection_id, c.date, c.level, c.external_id
