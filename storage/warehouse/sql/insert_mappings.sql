-- Mappings of connections in mapping_rows that differ from the last one that is stored; without an instant of their own they count from
-- this run on.
INSERT INTO mappings BY NAME
SELECT m.connection_id, coalesce(m.since, r.now) AS since, m.name, m.definition, m.attribution
FROM mapping_rows m
JOIN runs r USING (connection_id)
LEFT JOIN (
    SELECT connection_id, arg_max(definition, since) AS definition FROM mappings GROUP BY connection_id
) last USING (connection_id)
WHERE last.definition IS DISTINCT FROM m.definition
