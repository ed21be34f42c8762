INSERT INTO sync_runs BY NAME
SELECT * RENAME (now AS applied_at)
FROM runs
