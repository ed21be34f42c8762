-- A budget is never changed: one of the same target and period takes its place, with an id of its own. Those of connections without numbers
-- are left out, so that what is left of a deleted connection is not written again.
MERGE INTO raw.budgets AS stored
USING (SELECT * FROM set_budgets WHERE connection_id IS NULL OR connection_id IN (SELECT id FROM raw.connections)) AS change
ON stored.id = change.id
WHEN NOT MATCHED THEN INSERT BY NAME
WHEN NOT MATCHED BY SOURCE THEN DELETE
