-- The sums of what a run applied after a generation, over its legs that wrote something; the connection's spend of the week before;
-- and its restated rows: leaves' rows that the platform changed on days that were complete, as in the view restatements. Of a day that is
-- read for the first time by another mapping only what no mapping decides is restated.
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
        SELECT {'rows': count(DISTINCT (h.level, h.external_id, h.date)), 'since': min(h.date), 'until': max(h.date)}
        FROM metric_changes h
        JOIN read_days d ON d.connection_id = h.connection_id AND d.level = 'leaf' AND d.date = h.date
        WHERE h.connection_id = applied.connection_id AND h.run_id = applied.run_id AND h.cause IN ('platform', 'mapping')
            AND h.changed_at BETWEEN applied.first_applied AND applied.last_applied
            AND (
                (h.changed_at > d.complete_at AND (h.changed & {{ delivery_bits }} & if(h.cause = 'mapping', ~{{ mapped_bits }}, -1)) <> 0)
                OR (h.cause = 'platform' AND h.changed_at > d.conversions_complete_at AND (h.changed & {{ conversion_bits }}) <> 0)
            )
    )
FROM applied
