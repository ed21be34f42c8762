MERGE INTO not_by_campaign AS stored
USING (SELECT c.*, r.now AS changed_at, r.run_id FROM account_remainders c JOIN runs r USING (connection_id)) AS change
ON stored.connection_id = change.connection_id AND stored.date = change.date
WHEN MATCHED THEN UPDATE BY NAME
WHEN NOT MATCHED THEN INSERT BY NAME
