{% set history %}
{% include 'history.sql' %}
{% endset %}
-- What people query. Units instead of micros: BIGINT times DECIMAL(7, 6) stays an exact DECIMAL(26, 6) and its
-- sum a DECIMAL(38, 6), where "/ 1000000" would become DOUBLE. Every view carries the currency; none adds two up.

-- The connections of the workspace that have numbers. Name, frequency, labels and status are as of the publication, the rest as of the
-- connection's last write. Numbers of one that is paused, or not synced for another reason, do not go on.
CREATE OR REPLACE VIEW connections AS
SELECT
    id, provider, external_id, name, currency, timezone, gross_margin, frequency, labels, mapping, mapping_since, attribution,
    status, status = 'paused' AS paused
FROM raw.connections;

-- What is known of each entity: by a walk, or else by its numbers.
CREATE OR REPLACE VIEW known_entities AS
SELECT
    connection_id,
    level,
    external_id,
    coalesce(e.parent_id, s.parent_id) AS parent_id,
    coalesce(e.name, s.name) AS name,
    e.status
FROM raw.entities e
FULL JOIN raw.seen_names s USING (connection_id, level, external_id);

-- One row per leaf and day, and one per campaign and day for what the platform reports for the campaign but for
-- none of its leaves, so that a campaign's rows add up to the campaign's total. And one per day for what it reports for the account
-- but for none of its campaigns, such as deleted ones: it has no campaign_id, and a metric that the platform leaves out is null.
-- Conversions of an ad whose results do not add up are null, too, where the mapping counts results: null is unknown, and not zero.
CREATE OR REPLACE VIEW daily AS
WITH numbers AS (
    SELECT
        connection_id, level, external_id, campaign_id, date,
        {{ metrics | for_each("{name}", ", ") }}, changed_at
    FROM raw.metric_facts
    UNION ALL
    SELECT
        connection_id, 'unreported', '', campaign_id, date,
        {{ metrics | for_each("{name}", ", ") }}, changed_at
    FROM raw.unreported
    WHERE {{ additive | for_each("{name} <> 0", " OR ") }}
    UNION ALL
    SELECT
        connection_id, 'unreported', '', NULL, date,
        {{ metrics | for_each("{name}", ", ") }}, changed_at
    FROM raw.not_by_campaign
    WHERE {{ additive | for_each("{name} <> 0", " OR ") }}
)
SELECT
    n.connection_id,
    c.name AS connection,
    c.provider,
    c.currency,
    n.date,
    n.level,
    n.external_id,
    CASE
        WHEN n.level <> 'unreported' THEN leaf.name
        WHEN n.campaign_id IS NULL THEN 'not reported by campaign'
        ELSE 'not reported at ad level'
    END AS name,
    leaf.status,
    CASE WHEN n.level = 'asset_group' THEN NULL ELSE leaf.parent_id END AS ad_set_id,
    ad_set.name AS ad_set,
    n.campaign_id,
    campaign.name AS campaign,
    {{ metrics | for_each("n.{name}{in_units} AS {name}", ",\n    ") }},
    n.changed_at
FROM numbers n
LEFT JOIN raw.connections c ON c.id = n.connection_id
LEFT JOIN known_entities leaf
    ON leaf.connection_id = n.connection_id AND leaf.level = n.level AND leaf.external_id = n.external_id
LEFT JOIN known_entities ad_set
    ON ad_set.connection_id = n.connection_id AND ad_set.level IN ('adset', 'ad_group') AND ad_set.external_id = leaf.parent_id
LEFT JOIN known_entities campaign
    ON campaign.connection_id = n.connection_id AND campaign.level = 'campaign' AND campaign.external_id = n.campaign_id;

-- How a day's running total grew: one row per instant at which any leaf, or any remainder, of that day changed. Its last row is the sum of
-- the day's rows in daily. Conversions are null while those of any leaf are unknown.
CREATE OR REPLACE VIEW intraday AS
WITH history AS (
    {{ history }}
), steps AS (
    SELECT
        connection_id, date, changed_at,
        -- Null was never read, or is not known any more.
        {{ additive | for_each("if({name} IS NULL AND lag({name}) OVER earlier IS NULL, NULL, coalesce({name}, 0) - coalesce(lag({name}) OVER earlier, 0)){in_units} AS {name}") }},
        level NOT IN ('unreported', 'not_by_campaign') AS of_leaf,
        {{ unknowable | for_each("({name} IS NULL)::INTEGER - coalesce(lag(({name} IS NULL)::INTEGER) OVER earlier, 0) AS {name}_unknown") }}
    FROM history
    WINDOW earlier AS (PARTITION BY connection_id, level, external_id, date ORDER BY changed_at, generation)
), instants AS (
    SELECT
        connection_id, date, changed_at,
        {{ additive | for_each("sum({name}) AS {name}") }},
        {{ unknowable | for_each("sum({name}_unknown) FILTER (of_leaf) AS {name}_unknown") }}
    FROM steps
    GROUP BY connection_id, date, changed_at
)
SELECT
    i.connection_id,
    c.name AS connection,
    c.provider,
    c.currency,
    i.date,
    i.changed_at,
    {{ additive | for_each("{running_sum} AS {name}", ",\n    ") }}
FROM instants i
LEFT JOIN raw.connections c ON c.id = i.connection_id
WINDOW so_far AS (PARTITION BY i.connection_id, i.date ORDER BY i.changed_at);

-- Every change of a metric of a row of daily, from what to what, and its kind:
--   first: the first numbers of a leaf's or remainder's day, or of a metric that came later;
--   unknown: the metric is not known any more, or again after it was not: no change of the platform's numbers;
--   completion: a change up to the first whole read after the day's numbers had come in (complete_at, conversions_complete_at of read_days);
--   restatement: the platform changed a day that was complete, or a row appeared there, where none meant zero;
--   margin: the connection's margin changed; mapping: the day was read for the first time by another mapping, which decides the metric;
--   vanished: the platform stopped reporting the day of a living entity;
--   baseline: what a file of an older version held, from before its remainders had a history.
-- The deltas of a day add up to its rows in daily; what is unknown is null before or after, and zero in a delta.
CREATE OR REPLACE VIEW changes AS
{% include 'kinds.sql' %}
SELECT
    m.connection_id,
    c.name AS connection,
    c.provider,
    c.currency,
    m.date,
    m.changed_at,
    date_diff('day', m.date, (m.changed_at AT TIME ZONE coalesce(c.timezone, 'UTC'))::DATE) AS age_days,
    if(m.level = 'not_by_campaign', 'unreported', m.level) AS level,
    if(m.level IN ('unreported', 'not_by_campaign'), '', m.external_id) AS external_id,
    CASE m.level
        WHEN 'unreported' THEN 'not reported at ad level'
        WHEN 'not_by_campaign' THEN 'not reported by campaign'
        ELSE leaf.name
    END AS name,
    if(m.level = 'not_by_campaign', NULL, m.campaign_id) AS campaign_id,
    m.kind,
    m.metric,
    if(m.kind = 'restatement', coalesce(m.old, 0), m.old) * m.unit AS before,
    m.new * m.unit AS after,
    (coalesce(m.new, 0) - coalesce(m.old, 0)) * m.unit AS delta
FROM named m
LEFT JOIN raw.connections c ON c.id = m.connection_id
LEFT JOIN known_entities leaf
    ON leaf.connection_id = m.connection_id AND leaf.level = m.level AND leaf.external_id = m.external_id;

-- What the platform changed of days that were complete: the changes of the kind restatement, and how many of the account's days after the
-- day each came.
CREATE OR REPLACE VIEW restatements AS
SELECT * EXCLUDE (kind)
FROM changes
WHERE kind = 'restatement';

-- The rows of daily as they were known at an instant, and how fine the history is there: known_at is the last sync up to it that changed
-- something, next_known_at the next one, and between the two lies what the platform reported meanwhile. whole is false where remainders of
-- the day have no history yet. Names are those of now.
CREATE OR REPLACE MACRO as_of(moment) AS TABLE
WITH history AS (
    {{ history }}
), newest AS (
    SELECT *
    FROM history
    WHERE changed_at <= moment::TIMESTAMPTZ
    QUALIFY row_number() OVER (PARTITION BY connection_id, level, external_id, date ORDER BY changed_at DESC, generation DESC) = 1
), syncs_around AS (
    SELECT
        connection_id,
        max(applied_at) FILTER (applied_at <= moment::TIMESTAMPTZ) AS known_at,
        min(applied_at) FILTER (applied_at > moment::TIMESTAMPTZ) AS next_known_at
    FROM raw.sync_runs
    GROUP BY connection_id
), unrecorded AS (
    SELECT DISTINCT connection_id, date
    FROM raw.total_changes
    WHERE cause = 'baseline' AND level IN ('unreported', 'not_by_campaign') AND changed_at > moment::TIMESTAMPTZ
)
SELECT
    n.connection_id,
    c.name AS connection,
    c.provider,
    c.currency,
    n.date,
    if(n.level = 'not_by_campaign', 'unreported', n.level) AS level,
    if(n.level IN ('unreported', 'not_by_campaign'), '', n.external_id) AS external_id,
    CASE n.level
        WHEN 'unreported' THEN 'not reported at ad level'
        WHEN 'not_by_campaign' THEN 'not reported by campaign'
        ELSE leaf.name
    END AS name,
    if(n.level = 'not_by_campaign', NULL, n.campaign_id) AS campaign_id,
    campaign.name AS campaign,
    {{ metrics | for_each("n.{name}{in_units} AS {name}", ",\n    ") }},
    n.changed_at,
    s.known_at,
    s.next_known_at,
    u.date IS NULL AS whole
FROM newest n
LEFT JOIN raw.connections c ON c.id = n.connection_id
LEFT JOIN syncs_around s ON s.connection_id = n.connection_id
LEFT JOIN unrecorded u ON u.connection_id = n.connection_id AND u.date = n.date
LEFT JOIN known_entities leaf
    ON leaf.connection_id = n.connection_id AND leaf.level = n.level AND leaf.external_id = n.external_id
LEFT JOIN known_entities campaign
    ON campaign.connection_id = n.connection_id AND campaign.level = 'campaign' AND campaign.external_id = n.campaign_id
WHERE n.level NOT IN ('unreported', 'not_by_campaign') OR {{ additive | for_each("n.{name} <> 0", " OR ") }};

-- What adds up and what does not: one row per day, level and metric of what the platform reports. At the level 'campaign' ours are the
-- leaves and the platform's the campaigns' totals; at 'account' ours are the campaigns and the platform's the account's total, all as of
-- the read that had both. The remainder is null where one side does not say. deleted: how many campaigns without a total of that day, or
-- how many entities below campaigns, are known to be deleted: these some platforms leave out of their lists but not of their totals.
-- leafless: the part of the remainder that is of campaigns with nothing below them that reports, as Smart campaigns have.
CREATE OR REPLACE VIEW reconciliation AS
WITH totals AS (
    SELECT
        connection_id, date, 'campaign' AS level,
        {{ additive | for_each("if(count({name}) = count(*), sum({name}), NULL)::BIGINT AS {name}") }}
    FROM raw.platform_totals
    GROUP BY connection_id, date
    UNION ALL
    SELECT connection_id, date, 'account', {{ additive | for_each("{name}", ", ") }}
    FROM raw.account_totals
    UNION ALL
    -- An account without a row reports nothing.
    SELECT connection_id, date, 'account', {{ additive | for_each("0", ", ") }}
    FROM raw.not_by_campaign
    ANTI JOIN raw.account_totals USING (connection_id, date)
), remainders AS (
    SELECT
        connection_id, date, 'campaign' AS level,
        {{ additive | for_each("if(count({name}) = count(*), sum({name}), NULL)::BIGINT AS {name}") }}
    FROM raw.unreported
    GROUP BY connection_id, date
    UNION ALL
    SELECT connection_id, date, 'account', {{ additive | for_each("{name}", ", ") }}
    FROM raw.not_by_campaign
), metrics (metric, unit) AS (
    VALUES
        {{ additive | for_each("('{name}', {unit})") }}
), compared AS (
    SELECT
        t.connection_id, t.date, t.level, m.metric, m.unit,
        CASE m.metric
            {{ additive | for_each("WHEN '{name}' THEN t.{name}", " ") }}
        END AS platform,
        -- No remainder means zero, but only where both sides report the metric.
        CASE m.metric
            {{ additive | for_each("WHEN '{name}' THEN if(t.{name} + k.{name} IS NULL OR r.date IS NOT NULL, r.{name}, 0)", " ") }}
        END AS remainder
    FROM totals t
    CROSS JOIN metrics m
    LEFT JOIN totals k ON k.connection_id = t.connection_id AND k.date = t.date AND k.level = 'campaign'
    LEFT JOIN remainders r ON r.connection_id = t.connection_id AND r.date = t.date AND r.level = t.level
), of_leafless AS (
    SELECT
        connection_id, date, 'campaign' AS level,
        {{ additive | for_each("sum({name})::BIGINT AS {name}") }}
    FROM raw.unreported
    ANTI JOIN raw.metric_facts USING (connection_id, campaign_id)
    GROUP BY connection_id, date
), gone AS (
    SELECT e.connection_id, t.date, 'account' AS level, count(*) AS deleted
    FROM raw.account_totals t
    JOIN raw.entities e ON e.connection_id = t.connection_id AND e.level = 'campaign' AND e.status IN ({{ gone }})
    ANTI JOIN raw.platform_totals p ON p.connection_id = e.connection_id AND p.external_id = e.external_id AND p.date = t.date
    GROUP BY ALL
    UNION ALL
    SELECT e.connection_id, t.date, 'campaign', count(*)
    FROM (SELECT DISTINCT connection_id, date FROM raw.platform_totals) t
    JOIN raw.entities e ON e.connection_id = t.connection_id AND e.level NOT IN ('campaign', 'account') AND e.status IN ({{ gone }})
    GROUP BY ALL
)
SELECT
    p.connection_id,
    c.name AS connection,
    c.provider,
    c.currency,
    p.date,
    p.level,
    p.metric,
    (p.platform - p.remainder) * p.unit AS ours,
    p.platform * p.unit AS platform,
    p.remainder * p.unit AS remainder,
    p.remainder / nullif(p.platform, 0) AS share,
    coalesce(g.deleted, 0) AS deleted,
    coalesce(
        CASE p.metric
            {{ additive | for_each("WHEN '{name}' THEN l.{name}", " ") }}
        END,
        0
    ) * p.unit AS leafless
FROM compared p
LEFT JOIN raw.connections c ON c.id = p.connection_id
LEFT JOIN gone g USING (connection_id, date, level)
LEFT JOIN of_leafless l USING (connection_id, date, level);

-- How complete each connection is: one row per level and day, from the first day that was read to the last, holes included. A day
-- without a row in daily is zero where fresh_until is known and lacks is empty. lacks: what of the day could not be read when it was
-- requested last, with the reasons; day_gaps has it by entity, and also before the first day and after the last.
-- complete_through: up to here there is no hole, and no row was refused.
-- remainder: spend that the platform's total holds beyond the level's rows, leaves against their campaigns' totals and campaigns against
-- the account's, with its share; reconciliation has the other metrics, and what may explain it. Null where there is no such total.
-- unknown_conversions: how many of the day's leaves have conversions that are unknown, so that no sum of the day's conversions is known.
CREATE OR REPLACE VIEW completeness AS
WITH spans AS (
    SELECT connection_id, level, min(date) AS since, max(date) AS until
    FROM raw.read_days
    GROUP BY connection_id, level
), days AS (
    SELECT connection_id, level, unnest(generate_series(since, until, INTERVAL 1 DAY))::DATE AS date
    FROM spans
), gaps AS (
    SELECT
        connection_id,
        level,
        date,
        string_agg(
            concat_ws(' ', coalesce(entity_level, read), external_id, 'of campaign ' || campaign_id) || ': ' || reason,
            '; ' ORDER BY read, entity_level, external_id, campaign_id
        ) AS lacks,
        bool_or(entity_level IS NOT NULL) AS refused
    FROM raw.day_gaps
    GROUP BY connection_id, level, date
), unknown AS (
    SELECT connection_id, 'leaf' AS level, date, {{ unknowable | for_each("count(*) FILTER ({name} IS NULL) AS unknown_{name}") }}
    FROM raw.metric_facts
    WHERE {{ unknowable | for_each("{name} IS NULL", " OR ") }}
    GROUP BY connection_id, date
)
SELECT
    d.connection_id,
    c.name AS connection,
    c.provider,
    d.level,
    d.date,
    r.fresh_until,
    coalesce(r.settled, false) AS settled,
    r.complete_at,
    r.conversions_complete_at,
    r.fresh_until IS NULL AS hole,
    g.lacks,
    coalesce(
        min(d.date) FILTER (r.fresh_until IS NULL OR g.refused) OVER whole - 1,
        max(d.date) OVER whole
    )::DATE AS complete_through,
    t.remainder,
    t.share AS remainder_share,
    {{ unknowable | for_each("coalesce(n.unknown_{name}, 0) AS unknown_{name}") }}
FROM days d
LEFT JOIN raw.read_days r USING (connection_id, level, date)
LEFT JOIN gaps g USING (connection_id, level, date)
LEFT JOIN unknown n USING (connection_id, level, date)
LEFT JOIN raw.connections c ON c.id = d.connection_id
LEFT JOIN reconciliation t
    ON t.connection_id = d.connection_id AND t.date = d.date AND t.metric = 'spend'
    AND t.level = if(d.level = 'leaf', 'campaign', 'account')
WINDOW whole AS (PARTITION BY d.connection_id, d.level);

{% include 'analysis.sql' %}
