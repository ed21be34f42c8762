-- Separate from the update because MERGE inserts in no order. The anti join keeps keys unique even if the diff missed a stored row.
INSERT INTO {{ table }} BY NAME
SELECT c.* EXCLUDE (inserted, changed, cause), r.now AS first_seen_at, r.now AS changed_at, r.run_id
FROM {{ changes }} c
JOIN runs r USING (connection_id)
ANTI JOIN {{ table }} stored
    ON stored.connection_id = c.connection_id AND stored.level = c.level
    AND stored.external_id = c.external_id AND stored.date = c.date
ORDER BY c.connection_id, c.date, c.level, c.external_id
