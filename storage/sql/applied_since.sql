-- What a run applied after a generation: one row a leg that wrote something.
SELECT
    sum(fetched)::BIGINT,
    sum(inserted)::BIGINT,
    sum(updated)::BIGINT,
    sum(unchanged)::BIGINT,
    sum(entities_changed)::BIGINT,
    count(*) FILTER (inserted + updated > 0),
    max(applied_at) FILTER (inserted + updated > 0)
FROM sync_runs
WHERE run_id = ? AND generation > ?
HAVING count(*) > 0
