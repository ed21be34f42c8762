MERGE INTO raw.connections AS stored
USING described AS change
ON stored.id = change.id
WHEN MATCHED AND (
    stored.name IS DISTINCT FROM change.name OR stored.frequency IS DISTINCT FROM change.frequency
    OR stored.labels IS DISTINCT FROM change.labels OR stored.status IS DISTINCT FROM change.status
) THEN UPDATE BY NAME
