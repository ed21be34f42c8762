MERGE INTO raw.connections AS stored
USING connection_rows AS change
ON stored.id = change.id
WHEN MATCHED AND (
    stored.name <> change.name OR stored.currency <> change.currency OR stored.timezone <> change.timezone
    OR stored.gross_margin <> change.gross_margin OR stored.frequency IS DISTINCT FROM change.frequency
    OR stored.mapping IS DISTINCT FROM change.mapping
    OR stored.mapping_since IS DISTINCT FROM change.mapping_since OR stored.attribution IS DISTINCT FROM change.attribution
) THEN UPDATE BY NAME
WHEN NOT MATCHED THEN INSERT BY NAME
