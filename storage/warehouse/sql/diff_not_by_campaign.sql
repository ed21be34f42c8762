-- What the account's totals hold beyond the campaigns' totals, where that differs from what is stored, as it will be once this batch is
-- applied. It is computed for days whose totals of both were read within minutes (read_together), and of which no row was refused.
-- A campaign that was deleted since its totals were stored counts with these; one whose totals were never stored counts with its leaves,
-- which are rows of the view daily as well. An account without a row has zeros: its answer is complete. A metric that the account or any
-- campaign does not report is null: what is missing on one side is no remainder.
-- Where a campaign's total appeared or vanished although the account was not read with it, all of the remainder is null (unknown) until both
-- are read again: it may hold what that campaign has, or lack it.
-- For a connection with a new margin the profit is computed again: from the totals where these have not changed since, otherwise from the
-- remainder itself (at_new_margin), which is right but for rounding.
WITH pairs AS (
    SELECT connection_id, date FROM read_together ANTI JOIN refused USING (connection_id, date)
), days AS (
    FROM pairs
    UNION
    SELECT connection_id, date FROM not_by_campaign SEMI JOIN remargined USING (connection_id)
), unknown AS (
    SELECT connection_id, date, {{ additive | for_each("NULL::BIGINT AS {name}", ", ") }}
    FROM not_by_campaign
    SEMI JOIN (
        FROM totals_next
        WHERE cause = 'vanished' OR (inserted AND ({{ additive | for_each("{name} <> 0", " OR ") }}))
    ) USING (connection_id, date)
    ANTI JOIN pairs USING (connection_id, date)
    WHERE {{ additive | for_each("{name} <> 0", " OR ") }}
), reported AS (
    SELECT * FROM account_totals SEMI JOIN days USING (connection_id, date) ANTI JOIN account_next USING (connection_id, date)
    UNION ALL BY NAME
    SELECT * EXCLUDE (inserted, changed, cause) FROM account_next SEMI JOIN days USING (connection_id, date)
), account AS (
    SELECT connection_id, date, {{ additive | for_each("{name}", ", ") }} FROM reported
    UNION ALL BY NAME
    SELECT connection_id, date, {{ additive | for_each("0 AS {name}", ", ") }} FROM pairs ANTI JOIN reported USING (connection_id, date)
), totals AS (
    SELECT * FROM platform_totals SEMI JOIN days USING (connection_id, date)
    ANTI JOIN totals_next USING (connection_id, level, external_id, date)
    UNION ALL BY NAME
    SELECT * EXCLUDE (inserted, changed, cause) FROM totals_next SEMI JOIN days USING (connection_id, date)
), leaves AS (
    SELECT * FROM metric_facts SEMI JOIN days USING (connection_id, date)
    ANTI JOIN facts_next USING (connection_id, level, external_id, date)
    UNION ALL BY NAME
    SELECT * EXCLUDE (inserted, changed, cause) FROM facts_next SEMI JOIN days USING (connection_id, date)
), campaigns AS (
    FROM totals
    UNION ALL BY NAME
    FROM leaves ANTI JOIN totals USING (connection_id, campaign_id, date)
), sums AS (
    SELECT
        connection_id, date, count(*) AS campaigns,
        {{ additive | for_each("if(count({name}) = count(*), sum({name}), NULL) AS {name}") }}
    FROM campaigns
    GROUP BY connection_id, date
), remainder AS (
    SELECT
        a.connection_id, a.date,
        {{ exact | for_each("(a.{name} - if(s.date IS NULL, 0, s.{name}))::BIGINT AS {name}") }},
        -- Each row was rounded to a millionth, and profit twice: so much is no remainder.
        {{ fractional | for_each(
            "if(abs(a.{name} - if(s.date IS NULL, 0, s.{name})) <= coalesce(s.campaigns, 0) + 1, 0, a.{name} - if(s.date IS NULL, 0, s.{name}))::BIGINT AS {name}"
        ) }}
    FROM account a
    LEFT JOIN sums s USING (connection_id, date)
), untouched AS (
    SELECT
        r.*,
        {{ additive | reject("sameas", profit) | for_each("r.{name} IS NOT DISTINCT FROM k.{name}", " AND ") }} AS still
    FROM remainder r
    SEMI JOIN remargined USING (connection_id)
    ANTI JOIN pairs USING (connection_id, date)
    ANTI JOIN unknown USING (connection_id, date)
    JOIN at_new_margin k USING (connection_id, date)
), wanted AS (
    SELECT * FROM remainder SEMI JOIN pairs USING (connection_id, date)
    UNION ALL BY NAME
    FROM unknown
    UNION ALL BY NAME
    SELECT * EXCLUDE (still) FROM untouched WHERE still
    UNION ALL BY NAME
    SELECT k.* FROM at_new_margin k SEMI JOIN (FROM untouched WHERE NOT still) USING (connection_id, date)
)
SELECT r.*
FROM wanted r
LEFT JOIN not_by_campaign u USING (connection_id, date)
WHERE CASE
    -- A missing row means the same as a row of zeros, so most days need none.
    WHEN u.date IS NULL THEN
        {{ additive | for_each("r.{name} <> 0", " OR ") }}
    ELSE
        {{ additive | for_each("r.{name} IS DISTINCT FROM u.{name}", " OR ") }}
END
ORDER BY r.connection_id, r.date
