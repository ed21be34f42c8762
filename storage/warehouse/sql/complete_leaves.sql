-- Leaves whose conversions by kind come in a separate answer: one row per leaf and day, with the metrics of both answers.
-- On a day and in a campaign that an answer covers, a leaf without a row in it is zero. Elsewhere, and for metrics that the answer leaves out, the
-- stored value stays, unless the answer has a row of the leaf all the same: it covers that day in part. A metric that was never read
-- stays null. split_conversions: connections whose conversions are counted from the answer with the kinds. unknown_conversions: those whose
-- mapping counts what a platform does not say of every leaf: there null is what the answer says.
-- A stored leaf that is only missing from the answer with the numbers gets no row: it vanished (diff_metrics.sql).
{% set of_base = "CASE WHEN NOT k.in_base AND b.ordinal IS NULL THEN coalesce(s.{name}, {nothing}) ELSE coalesce(b.{name}, if(b.ordinal IS NULL, s.{name} * 0, s.{name}), {nothing}) END" %}
{% set of_split = "CASE WHEN NOT k.in_split AND p.ordinal IS NULL THEN coalesce(b.{name}, s.{name}, {nothing}) ELSE coalesce(p.{name}, if(p.ordinal IS NULL, s.{name} * 0, s.{name}), {nothing}) END" %}
WITH base_last AS (
    SELECT * FROM base
    SEMI JOIN (SELECT max(ordinal) AS ordinal FROM base GROUP BY connection_id, level, external_id, date) AS freshest USING (ordinal)
), split_last AS (
    SELECT * FROM split
    SEMI JOIN (SELECT max(ordinal) AS ordinal FROM split GROUP BY connection_id, level, external_id, date) AS freshest USING (ordinal)
), stored AS (
    SELECT *
    FROM metric_facts
    SEMI JOIN (
        SELECT connection_id, date FROM base_coverage
        UNION
        SELECT connection_id, date FROM split_coverage
        UNION
        SELECT connection_id, date FROM base
        UNION
        SELECT connection_id, date FROM split
    ) USING (connection_id, date)
), keys AS (
    SELECT connection_id, level, external_id, date FROM base_last
    UNION
    SELECT connection_id, level, external_id, date FROM split_last
    UNION
    SELECT s.connection_id, s.level, s.external_id, s.date
    FROM stored s
    JOIN split_coverage p USING (connection_id, date)
    LEFT JOIN base_coverage b USING (connection_id, date)
    WHERE {{ covers("p", "s.campaign_id") }}
        AND (b.date IS NULL OR NOT ({{ covers("b", "s.campaign_id") }}))
        AND (
            {{ split | for_each("s.{name} <> 0", " OR ") }}
            OR (s.connection_id IN (SELECT connection_id FROM split_conversions) AND ({{ movable | for_each("s.{name} <> 0", " OR ") }}))
        )
), placed AS (
    SELECT k.*, coalesce(b.campaign_id, p.campaign_id, s.campaign_id) AS campaign_id
    FROM keys k
    LEFT JOIN base_last b USING (connection_id, level, external_id, date)
    LEFT JOIN split_last p USING (connection_id, level, external_id, date)
    LEFT JOIN stored s USING (connection_id, level, external_id, date)
), judged AS (
    SELECT
        k.*,
        bc.date IS NOT NULL AND {{ covers("bc", "k.campaign_id") }} AS in_base,
        pc.date IS NOT NULL AND {{ covers("pc", "k.campaign_id") }} AS in_split
    FROM placed k
    LEFT JOIN base_coverage bc USING (connection_id, date)
    LEFT JOIN split_coverage pc USING (connection_id, date)
)
SELECT
    k.connection_id,
    k.level,
    k.external_id,
    k.campaign_id,
    k.date,
    {{ base | for_each(of_base ~ " AS {name}") }},
    {{ split | for_each(of_split ~ " AS {name}") }},
    {{ movable | for_each("CASE WHEN uc.connection_id IS NOT NULL THEN b.{name} WHEN sc.connection_id IS NULL THEN " ~ of_base ~ " ELSE " ~ of_split ~ " END AS {name}") }},
    0::BIGINT AS {{ profit.name }}
FROM judged k
LEFT JOIN base_last b USING (connection_id, level, external_id, date)
LEFT JOIN split_last p USING (connection_id, level, external_id, date)
LEFT JOIN stored s USING (connection_id, level, external_id, date)
LEFT JOIN split_conversions sc USING (connection_id)
LEFT JOIN unknown_conversions uc USING (connection_id)
ORDER BY k.connection_id, k.date, k.level, k.external_id
