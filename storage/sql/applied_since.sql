-- What a run applied after a generation: one row a leg that wrote something; and what its connection spent in the week before.
WITH applied AS (
    SELECT
        sum(fetched)::BIGINT,
        sum(inserted)::BIGINT,
        sum(updated)::BIGINT,
        sum(unchanged)::BIGINT,
        sum(entities_changed)::BIGINT,
        count(*) FILTER (inserted + updated > 0),
        max(applied_at) FILTER (inserted + updated > 0),
        min(connection_id) AS connection_id,
        max(applied_at)::DATE - 7 AS week_before
    FROM sync_runs
    WHERE run_id = ? AND generation > ?
    HAVING count(*) > 0
)
SELECT
    * EXCLUDE (connection_id, week_before),
    (
        SELECT coalesce(sum(spend), 0)
        FROM metric_facts f
        WHERE f.connection_id = applied.connection_id AND f.date > applied.week_before
    )
FROM applied
