-- The sums of what a run applied after a generation, over its legs that wrote something; the connection's spend of the week before;
-- and its restated rows: leaves' rows of days before the account's today that were stored before and changed. Metrics that were read
-- for the first time do not count as restated.
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
        min(run_id) AS run_id,
        min(applied_at) AS first_applied,
        max(applied_at) AS last_applied,
        max(applied_at)::DATE - 7 AS week_before
    FROM sync_runs
    WHERE run_id = ? AND generation > ?
    HAVING count(*) > 0
)
SELECT
    * EXCLUDE (connection_id, run_id, first_applied, last_applied, week_before),
    (
        SELECT coalesce(sum(spend), 0)
        FROM metric_facts f
        WHERE f.connection_id = applied.connection_id AND f.date > applied.week_before
    ),
    (
        SELECT {'rows': count(*), 'since': min(f.date), 'until': max(f.date)}
        FROM metric_facts f
        JOIN connections c ON c.id = f.connection_id
        WHERE f.connection_id = applied.connection_id AND f.run_id = applied.run_id
            AND f.changed_at BETWEEN applied.first_applied AND applied.last_applied
            AND f.first_seen_at < f.changed_at
            AND f.date < (f.changed_at AT TIME ZONE c.timezone)::DATE
            AND (f.level, f.external_id, f.date, f.changed_at) NOT IN (
                SELECT (level, external_id, date, changed_at)
                FROM metric_changes
                WHERE connection_id = applied.connection_id AND changed_at >= applied.first_applied AND cause = 'first read'
            )
    )
FROM applied
