-- How many rows a copy has of one connection.
WITH metrics AS (
    SELECT date FROM metric_facts WHERE connection_id = $1
    UNION ALL
    SELECT date FROM platform_totals WHERE connection_id = $1
)
SELECT
    (SELECT count(*) FROM metrics),
    (SELECT count(DISTINCT date) FROM metrics),
    (SELECT min(date) FROM metrics),
    (SELECT count(*) FROM entities WHERE connection_id = $1),
    (SELECT count(*) FROM metric_changes WHERE connection_id = $1)
    + (SELECT count(*) FROM entity_changes WHERE connection_id = $1)
