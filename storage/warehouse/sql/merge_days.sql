MERGE INTO read_days AS stored
USING day_rows AS change
ON stored.connection_id = change.connection_id AND stored.level = change.level AND stored.date = change.date
WHEN MATCHED AND change.fresh_until IS NULL THEN DELETE
WHEN MATCHED THEN UPDATE SET fresh_until = change.fresh_until, settled = change.settled
WHEN NOT MATCHED THEN INSERT BY NAME
