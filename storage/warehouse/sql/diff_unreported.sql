-- Remainders: campaign totals minus leaves, where they differ from the stored ones, as they will be once this batch
-- is applied. Leaves are read far oftener than totals, so a remainder is only computed
--   when the campaign's total of the day was read;
--   when its leaves of a closed day were read: its totals hardly move, and a remainder older than its leaves counts twice;
--   when its first leaves of the day were read: until then the whole total was the remainder.
-- In between an open day's leaves run ahead and the remainder stays. It also stays where a total, or a leaf of an open day, was refused
-- (held); where that row's campaign is unknown, every campaign's does. A closed day's remainder has what its refused leaves lack.
-- For a connection with a new margin (remargined) every day's profit is computed again: from totals and leaves where these have not
-- changed since the remainder was computed, otherwise from the remainder itself (at_new_margin), which is right but for rounding.
WITH first_leaves AS (
    SELECT DISTINCT connection_id, campaign_id, date
    FROM facts_next
    ANTI JOIN metric_facts USING (connection_id, campaign_id, date)
    WHERE inserted
), days AS (
    SELECT connection_id, date FROM total_coverage
    UNION
    SELECT connection_id, date FROM leaf_coverage WHERE closed
    UNION
    SELECT connection_id, date FROM first_leaves
    UNION
    SELECT connection_id, date FROM platform_totals SEMI JOIN remargined USING (connection_id)
), totals AS (
    SELECT * EXCLUDE (external_id, first_seen_at, changed_at, run_id)
    FROM platform_totals
    SEMI JOIN days USING (connection_id, date)
    ANTI JOIN totals_next USING (connection_id, level, external_id, date)
    WHERE level = 'campaign'
    UNION ALL BY NAME
    SELECT * EXCLUDE (external_id, inserted, changed, cause)
    FROM totals_next
    SEMI JOIN days USING (connection_id, date)
    WHERE level = 'campaign'
), leaves AS (
    SELECT * EXCLUDE (external_id, first_seen_at, changed_at, run_id)
    FROM metric_facts
    SEMI JOIN days USING (connection_id, date)
    ANTI JOIN facts_next USING (connection_id, level, external_id, date)
    UNION ALL BY NAME
    SELECT * EXCLUDE (external_id, inserted, changed, cause)
    FROM facts_next
    SEMI JOIN days USING (connection_id, date)
), sums AS (
    SELECT
        connection_id, campaign_id, date,
        {{ additive | for_each("if(count({name}) = count(*), sum({name}), NULL) AS {name}") }}
    FROM leaves
    GROUP BY connection_id, campaign_id, date
), remainder AS (
    SELECT
        t.connection_id, t.campaign_id, t.date,
        {{ additive | for_each("(t.{name} - if(s.campaign_id IS NULL, 0, s.{name}))::BIGINT AS {name}") }}
    FROM totals t
    LEFT JOIN sums s USING (connection_id, campaign_id, date)
), held AS (
    SELECT r.connection_id, r.date, coalesce(r.campaign_id, if(r.level = 'campaign', r.external_id, s.campaign_id)) AS campaign_id
    FROM refused r
    LEFT JOIN metric_facts s USING (connection_id, level, external_id, date)
), due AS (
    SELECT r.connection_id, r.campaign_id, r.date
    FROM remainder r
    JOIN total_coverage c USING (connection_id, date)
    WHERE {{ covers("c", "r.campaign_id") }}
    UNION
    SELECT r.connection_id, r.campaign_id, r.date
    FROM remainder r
    JOIN leaf_coverage c USING (connection_id, date)
    WHERE c.closed AND {{ covers("c", "r.campaign_id") }}
    UNION
    FROM first_leaves
), computed AS (
    SELECT r.*
    FROM remainder r
    SEMI JOIN due USING (connection_id, campaign_id, date)
    ANTI JOIN held h
        ON h.connection_id = r.connection_id AND h.date = r.date AND coalesce(h.campaign_id, r.campaign_id) = r.campaign_id
), untouched AS (
    SELECT
        r.*,
        {{ additive | reject("sameas", profit) | for_each("coalesce(r.{name}, 0) = coalesce(k.{name}, 0)", " AND ") }} AS still
    FROM remainder r
    SEMI JOIN remargined USING (connection_id)
    ANTI JOIN computed USING (connection_id, campaign_id, date)
    LEFT JOIN at_new_margin k USING (connection_id, campaign_id, date)
), wanted AS (
    FROM computed
    UNION ALL BY NAME
    SELECT * EXCLUDE (still) FROM untouched WHERE still
    UNION ALL BY NAME
    SELECT k.* FROM at_new_margin k SEMI JOIN (FROM untouched WHERE NOT still) USING (connection_id, campaign_id, date)
)
SELECT r.*
FROM wanted r
LEFT JOIN unreported u USING (connection_id, campaign_id, date)
WHERE CASE
    -- A missing row means the same as a row of zeros, so complete campaigns (nearly all) need none.
    WHEN u.campaign_id IS NULL THEN
        {{ additive | for_each("r.{name} <> 0", " OR ") }}
    ELSE
        {{ additive | for_each("r.{name} IS DISTINCT FROM u.{name}", " OR ") }}
END
ORDER BY r.connection_id, r.date, r.campaign_id
