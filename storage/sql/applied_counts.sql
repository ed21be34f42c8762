-- A run that was continued after a restart may have been applied in parts.
SELECT run_id, sum(fetched)::BIGINT, sum(inserted)::BIGINT, sum(updated)::BIGINT, sum(unchanged)::BIGINT, sum(entities_changed)::BIGINT
FROM sync_runs
WHERE run_id IN (SELECT unnest(?))
GROUP BY run_id
