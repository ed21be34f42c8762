-- A gap whose reason changed ended and appeared.
DELETE FROM day_gaps AS stored
USING (SELECT * FROM gap_rows WHERE NOT present) AS ended
WHERE stored.connection_id = ended.connection_id AND stored.level = ended.level AND stored.date = ended.date AND stored.read = ended.read
    AND stored.entity_level IS NOT DISTINCT FROM ended.entity_level
    AND stored.external_id IS NOT DISTINCT FROM ended.external_id
    AND stored.campaign_id IS NOT DISTINCT FROM ended.campaign_id;
INSERT INTO day_gaps BY NAME
SELECT * EXCLUDE (present) FROM gap_rows WHERE present
