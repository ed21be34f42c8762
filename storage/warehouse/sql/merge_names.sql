MERGE INTO seen_names AS stored
USING (SELECT c.*, r.now, r.run_id FROM name_rows c JOIN runs r USING (connection_id)) AS change
ON stored.connection_id = change.connection_id AND stored.level = change.level AND stored.external_id = change.external_id
WHEN MATCHED THEN UPDATE SET
    parent_id = change.parent_id,
    name = change.name,
    seen_at = change.now,
    run_id = change.run_id
WHEN NOT MATCHED THEN INSERT (
    connection_id, level, external_id, parent_id, name, seen_at, run_id
) VALUES (
    change.connection_id, change.level, change.external_id, change.parent_id, change.name, change.now, change.run_id
)
