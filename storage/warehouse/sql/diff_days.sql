-- Days whose note differs from what is known of them now (day_notes), of the connections of day_owners. What is due to be read again
-- was read all the same: a note leaves only when the account's time zone changed, as its days have other borders then.
-- How fresh a day is moves with every read: alone that is written once in each hour of the clock, of all connections together, and
-- otherwise with what the connection writes anyway (writing).
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
