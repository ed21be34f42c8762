INSERT INTO entity_changes BY NAME
SELECT c.*, r.now AS changed_at, r.run_id, r.generation
FROM entity_rows c
JOIN runs r USING (connection_id)
