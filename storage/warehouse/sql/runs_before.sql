-- For each run of this batch: whether it was applied before, and whether a newer run of its connection was.
SELECT r.run_id, bool_or(s.run_id = r.run_id AND s.generation = r.generation) AS applied, max(s.generation) > r.generation AS outdated
FROM runs r
JOIN sync_runs s USING (connection_id)
GROUP BY r.run_id, r.generation
