-- The connection's days and levels whose remainder, or its explanation, is another one than the last comparison found; also those whose
-- remainder is not known any more. Days of a history of which only the totals were read yet are left out: all of their leaves are missing.
WITH last AS (
    SELECT date, level, remainder, deleted, leafless
    FROM reconciled_days
    WHERE connection_id = $connection_id
    QUALIFY row_number() OVER (PARTITION BY date, level ORDER BY reconciled_at DESC) = 1
)
SELECT r.connection_id, r.date, r.level, $now::TIMESTAMPTZ AS reconciled_at, r.ours, r.platform, r.remainder, r.share, r.deleted, r.leafless
FROM reconciliation r
LEFT JOIN last USING (date, level)
WHERE r.connection_id = $connection_id AND r.metric = 'spend'
    AND (r.level <> 'campaign' OR coalesce(
        r.date >= (SELECT min(date) FROM read_days WHERE connection_id = $connection_id AND level = 'leaf'), true
    ))
    AND coalesce(r.remainder, last.remainder) IS NOT NULL
    AND (last.remainder IS DISTINCT FROM r.remainder OR last.deleted IS DISTINCT FROM r.deleted OR last.leafless IS DISTINCT FROM r.leafless)
ORDER BY r.date, r.level
