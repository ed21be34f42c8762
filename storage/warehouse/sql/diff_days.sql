-- Days whose note differs from what is known of them now (day_notes), of the connections of day_owners; without fresh_until nothing is
-- known of the day any more. How fresh a day is moves with every read: alone that is written once an hour, otherwise with what the
-- connection writes anyway (writing).
WITH stored AS (
    FROM read_days SEMI JOIN day_owners USING (connection_id)
)
SELECT connection_id, level, date, n.fresh_until, coalesce(n.settled, false) AS settled
FROM day_notes n
FULL JOIN stored s USING (connection_id, level, date)
LEFT JOIN writing w USING (connection_id)
WHERE n.fresh_until IS NULL
    OR s.fresh_until IS NULL
    OR n.settled <> s.settled
    OR n.fresh_until < s.fresh_until
    OR n.fresh_until >= s.fresh_until + INTERVAL 1 HOUR
    OR (w.connection_id IS NOT NULL AND n.fresh_until > s.fresh_until)
ORDER BY connection_id, level, date
