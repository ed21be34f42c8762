-- The totals of a connection's campaigns on some days.
SELECT * FROM platform_totals WHERE connection_id = $connection_id AND level = 'campaign' AND list_contains($days, date)
