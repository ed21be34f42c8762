-- Rows of {{ table }} that the answers change. coverage: the days, and the campaigns of each, that the answers cover completely;
-- answered_days: every day that was requested.
-- refused: entities and days whose rows were refused; they have not vanished, and their rows stay as they are.
-- A stored row missing from the answers vanished. It becomes zero if its entity is in confirmed: a lookup after these
-- answers reported it as alive. Null stays null, but a leaf's metric that may be unknown is known then: what is not reported is none. Without that proof it stays as it is, because a deleted ad leaves the report together with its history.
-- Connections in reports_removed have a platform that still reports deleted entities: there every missing row is zero. No connection is
-- in both.
-- remapped: days whose stored numbers were read by an earlier mapping; what it decides changes once because of it, and is no restatement.
-- at_new_margin: every stored row of connections whose margin changed; rows without an answer get the profit at the new margin.
WITH latest AS (
    SELECT * EXCLUDE (ordinal) FROM answer
), stored AS (
    SELECT * EXCLUDE (first_seen_at, changed_at, run_id)
    FROM {{ table }}
    SEMI JOIN (SELECT connection_id, date FROM answered_days UNION SELECT connection_id, date FROM at_new_margin) USING (connection_id, date)
), absent AS (
    SELECT s.*
    FROM stored s
    JOIN coverage c USING (connection_id, date)
    ANTI JOIN latest USING (connection_id, level, external_id, date)
    ANTI JOIN refused USING (connection_id, level, external_id, date)
    WHERE {{ covers("c", "s.campaign_id") }}
), vanished AS (
    SELECT
        * REPLACE (
            {% if table == "metric_facts" %}
            {{ unknowable | for_each("0 AS {name}") }},
            {{ metrics | rejectattr("unknowable") | for_each("{name} * 0 AS {name}") }}
            {% else %}
            {{ metrics | for_each("{name} * 0 AS {name}") }}
            {% endif %}
        )
    FROM (
        SELECT * FROM absent SEMI JOIN confirmed USING (connection_id, level, external_id)
        UNION ALL
        SELECT * FROM absent SEMI JOIN reports_removed USING (connection_id)
    )
), wanted AS (
    SELECT *, 'answer' AS origin FROM latest
    UNION ALL BY NAME
    SELECT *, 'vanished' AS origin FROM vanished
    UNION ALL BY NAME
    SELECT *, 'kept' AS origin
    FROM at_new_margin
    ANTI JOIN latest USING (connection_id, level, external_id, date)
    ANTI JOIN vanished USING (connection_id, level, external_id, date)
), compared AS (
    SELECT
        w.*,
        s.external_id IS NULL AS inserted,
        w.campaign_id IS DISTINCT FROM s.campaign_id AS moved,
        {{ metrics | for_each("{bit} * (w.{name} IS DISTINCT FROM s.{name})::INTEGER", " + ") }} AS changed,
        {{ optional | for_each("{bit} * (s.{name} IS NULL AND w.{name} IS NOT NULL)::INTEGER", " + ") or 0 }} AS first_read,
        {{ unknowable | for_each("{bit} * ((s.{name} IS NULL) <> (w.{name} IS NULL))::INTEGER", " + ") or 0 }} AS of_unknown,
        r.date IS NOT NULL AS remapped
    FROM wanted w
    LEFT JOIN stored s USING (connection_id, level, external_id, date)
    LEFT JOIN remapped r USING (connection_id, date)
)
SELECT
    * EXCLUDE (moved, origin, first_read, of_unknown, remapped),
    origin = 'answer' AS answered,
    CASE
        WHEN origin = 'vanished' THEN 'vanished'
        WHEN inserted THEN 'platform'
        WHEN changed = {{ profit.bit }} THEN 'margin'
        WHEN changed = first_read AND changed <> 0 THEN 'first read'
        WHEN remapped AND (changed & {{ mapped_bits }}) <> 0 THEN 'mapping'
        -- What is known no more, or again, is no change of the platform's numbers.
        WHEN changed = first_read | of_unknown AND changed <> 0 THEN 'unknown'
        ELSE 'platform'
    END AS cause
FROM compared
WHERE inserted OR moved OR changed <> 0
ORDER BY connection_id, date, level, external_id
