-- MERGE updates in place, so rows stay in the order of connection and date (DELETE and INSERT is slower and would not).
MERGE INTO {{ table }} AS stored
USING (SELECT c.*, r.now, r.run_id FROM {{ changes }} c JOIN runs r USING (connection_id)) AS change
ON stored.connection_id = change.connection_id AND stored.level = change.level
    AND stored.external_id = change.external_id AND stored.date = change.date
WHEN MATCHED THEN UPDATE SET
    campaign_id = change.campaign_id,
    {{ metrics | for_each("{name} = change.{name}") }},
    changed_at = change.now,
    run_id = change.run_id
