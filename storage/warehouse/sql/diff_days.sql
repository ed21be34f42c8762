-- Read days whose stored row differs from the current one (day_notes), of the connections in day_owners. A day that is due to be read
-- again keeps its row. A row is only deleted when the account's time zone changed, because its days then have other borders.
-- How fresh a day is changes with every read. That alone is written once per hour of the clock, for all connections together, and
-- otherwise when the connection writes something else (writing).
WITH stored AS (
    SELECT r.*, coalesce(c.timezone <> o.timezone, false) AS other_borders
    FROM read_days r
    JOIN day_owners o USING (connection_id)
    LEFT JOIN connections c ON c.id = r.connection_id
)
SELECT connection_id, level, date, n.fresh_until, coalesce(n.settled, false) AS settled
FROM day_notes n
FULL JOIN stored s USING (connection_id, level, date)
LEFT JOIN writing w USING (connection_id)
WHERE s.other_borders
    OR s.fresh_until IS NULL
    OR n.settled > s.settled
    OR date_trunc('hour', n.fresh_until) > date_trunc('hour', s.fresh_until)
    OR (w.connection_id IS NOT NULL AND n.fresh_until > s.fresh_until)
ORDER BY connection_id, level, date
