{# The changes in history, which the file around it sets, with the kind of each; the numbers are as they are stored. #}
WITH history AS (
    {{ history }}
), steps AS (
    SELECT
        *,
        lag(generation) OVER earlier IS NULL AS is_first,
        CASE level WHEN 'unreported' THEN 'both' WHEN 'not_by_campaign' THEN 'campaign' ELSE 'leaf' END AS read_level,
        {{ metrics | for_each("lag({name}) OVER earlier AS old_{name}") }},
        -- Whether it was known in any row before: count goes up to the row itself.
        {{ metrics | for_each("count({name}) OVER earlier > ({name} IS NOT NULL)::INTEGER AS known_{name}") }}
    FROM history
    WINDOW earlier AS (PARTITION BY connection_id, level, external_id, date ORDER BY changed_at, generation)
), complete AS (
    SELECT connection_id, level AS read_level, date, complete_at, conversions_complete_at
    FROM raw.read_days
    UNION ALL
    -- A remainder is complete when both that it is made of are.
    SELECT
        connection_id, 'both', date,
        if(count(complete_at) = 2, max(complete_at), NULL), if(count(conversions_complete_at) = 2, max(conversions_complete_at), NULL)
    FROM raw.read_days
    GROUP BY connection_id, date
), metrics (metric, bit, unit, of_conversions, mapped) AS (
    VALUES
        {{ metrics | for_each("('{name}', {bit}, {unit}, {of_conversions}, {mapped})") }}
), moved AS (
    SELECT
        s.connection_id, s.level, s.external_id, s.campaign_id, s.date, s.changed_at, s.generation, s.cause, s.is_first, s.read_level,
        m.metric, m.bit, m.unit, m.of_conversions, m.mapped,
        CASE m.metric
            {{ metrics | for_each("WHEN '{name}' THEN s.old_{name}", " ") }}
        END AS old,
        CASE m.metric
            {{ metrics | for_each("WHEN '{name}' THEN s.{name}", " ") }}
        END AS new,
        CASE m.metric
            {{ metrics | for_each("WHEN '{name}' THEN s.known_{name}", " ") }}
        END AS was_known
    FROM steps s
    JOIN metrics m ON (s.changed & m.bit) <> 0 OR s.cause = 'baseline'
), named AS (
    SELECT
        m.*,
        CASE
            WHEN m.cause IN ('baseline', 'margin', 'vanished') OR (m.cause = 'mapping' AND m.mapped) THEN m.cause
            WHEN m.new IS NULL OR (m.old IS NULL AND m.was_known) THEN 'unknown'
            -- How much the account has beyond its campaigns is read rarely: its first value is late, and no news.
            WHEN m.old IS NULL AND (NOT m.is_first OR m.level = 'not_by_campaign') THEN 'first'
            WHEN m.changed_at > if(m.of_conversions, d.conversions_complete_at, d.complete_at) THEN 'restatement'
            WHEN m.old IS NULL THEN 'first'
            ELSE 'completion'
        END AS kind
    FROM moved m
    LEFT JOIN complete d USING (connection_id, read_level, date)
    WHERE coalesce(m.new, 0) <> coalesce(m.old, 0)
)
