-- The history of remainders that are about to be stored in {{ table }}; a remainder without a stored row was zero.
INSERT INTO total_changes BY NAME
SELECT
    *,
    CASE
        WHEN changed = {{ profit.bit }} THEN 'margin'
        WHEN (connection_id, date) IN (FROM remapped_days) AND (changed & {{ mapped_bits }}) <> 0 THEN 'mapping'
        ELSE 'platform'
    END AS cause
FROM (
    SELECT
        c.connection_id, '{{ table }}' AS level, {{ campaign }} AS external_id, {{ campaign }} AS campaign_id, c.date,
        {{ additive | for_each("c.{name}", ", ") }},
        {{ additive | for_each("{bit} * (c.{name} IS DISTINCT FROM if(u.date IS NULL, 0, u.{name}))::INTEGER", " + ") }} AS changed,
        r.now AS changed_at, r.run_id, r.generation
    FROM {{ changes }} c
    JOIN runs r USING (connection_id)
    LEFT JOIN {{ table }} u ON u.connection_id = c.connection_id AND u.date = c.date{{ same_campaign }}
)
ORDER BY connection_id, date, external_id
