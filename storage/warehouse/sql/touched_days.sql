-- What this batch wrote of days that were complete, and the days that are settled and were read or written now. Rows of days that are older
-- than 120 days are deleted.
CREATE OR REPLACE TEMP TABLE touched_rows AS
SELECT t.*
FROM (
    SELECT connection_id, level, external_id, date FROM metric_facts_changed
    UNION ALL
    SELECT connection_id, 'unreported', campaign_id, date FROM remainders
    UNION ALL
    SELECT connection_id, 'not_by_campaign', '', date FROM account_remainders
) t
JOIN runs r USING (connection_id)
SEMI JOIN read_days d ON d.connection_id = t.connection_id AND d.date = t.date AND d.complete_at < r.now
WHERE t.date >= r.now::DATE - 120;

CREATE OR REPLACE TEMP TABLE settled_days AS
SELECT DISTINCT d.connection_id, d.date
FROM read_days d
JOIN runs r USING (connection_id)
WHERE d.level = 'leaf' AND d.settled AND d.date >= r.now::DATE - 120 AND (
    (d.connection_id, d.date) IN (SELECT connection_id, date FROM day_rows)
    OR (d.connection_id, d.date) IN (SELECT connection_id, date FROM touched_rows)
);

DELETE FROM restated_days AS stored
USING runs AS run
WHERE stored.connection_id = run.connection_id AND stored.date < run.now::DATE - 120;

DELETE FROM followed_days AS stored
USING runs AS run
WHERE stored.connection_id = run.connection_id AND stored.date < run.now::DATE - 120;
