-- When each day was read whole for the first time after its numbers had come in: by whom complete_at is written, merge_days.sql says.
-- Of an older file it is the first sync after that time that changed something; the time for conversions is the latest of any platform.
ALTER TABLE read_days ADD COLUMN complete_at TIMESTAMPTZ;
ALTER TABLE read_days ADD COLUMN conversions_complete_at TIMESTAMPTZ;
CREATE TEMP TABLE due_days AS
SELECT d.connection_id, d.level, d.date, d.fresh_until, (d.date + 1)::TIMESTAMP AT TIME ZONE c.timezone AS ended
FROM read_days d
JOIN connections c ON c.id = d.connection_id;
UPDATE read_days
SET complete_at = coalesce(s.applied_at, read_days.fresh_until)
FROM due_days d
ASOF LEFT JOIN sync_runs s ON s.connection_id = d.connection_id AND s.applied_at >= d.ended + INTERVAL 3 HOUR
WHERE d.connection_id = read_days.connection_id AND d.level = read_days.level AND d.date = read_days.date
    AND d.fresh_until >= d.ended + INTERVAL 3 HOUR;
UPDATE read_days
SET conversions_complete_at = coalesce(s.applied_at, read_days.fresh_until)
FROM due_days d
ASOF LEFT JOIN sync_runs s ON s.connection_id = d.connection_id AND s.applied_at >= d.ended + INTERVAL 15 HOUR
WHERE d.connection_id = read_days.connection_id AND d.level = read_days.level AND d.date = read_days.date
    AND d.fresh_until >= d.ended + INTERVAL 15 HOUR;
DROP TABLE due_days;
