-- complete_at and conversions_complete_at stay as they are once they are known: a day is complete with the first whole read so many hours
-- after it ended in the account's time zone (completion_rules). They are the instant of that read's changes, which still complete the day.
MERGE INTO read_days AS stored
USING (
    SELECT
        d.*,
        CASE WHEN d.fresh_until >= ((d.date + 1)::TIMESTAMP AT TIME ZONE c.timezone) + c.complete_after THEN r.now END AS complete_at,
        CASE WHEN d.fresh_until >= ((d.date + 1)::TIMESTAMP AT TIME ZONE c.timezone) + c.conversions_complete_after THEN r.now END
            AS conversions_complete_at
    FROM day_rows d
    JOIN runs r USING (connection_id)
    JOIN completion_rules c USING (connection_id)
) AS change
ON stored.connection_id = change.connection_id AND stored.level = change.level AND stored.date = change.date
WHEN MATCHED AND change.fresh_until IS NULL THEN DELETE
WHEN MATCHED THEN UPDATE SET
    fresh_until = change.fresh_until,
    settled = change.settled,
    complete_at = coalesce(stored.complete_at, change.complete_at),
    conversions_complete_at = coalesce(stored.conversions_complete_at, change.conversions_complete_at)
WHEN NOT MATCHED THEN INSERT BY NAME
