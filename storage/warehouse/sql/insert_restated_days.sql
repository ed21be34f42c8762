-- The restatements that this batch brought, added to those of the same day, campaign and local day; without a batch those of
-- all days between two.
{% set history %}
SELECT h.* FROM (
    {% include 'history.sql' %}
) h
{% if batch %}SEMI JOIN touched_rows USING (connection_id, level, external_id, date){% else %}WHERE h.date {{ between }}{% endif %}

{% endset %}
CREATE OR REPLACE TEMP TABLE restated_now AS
{% include 'kinds.sql' %}
SELECT
    m.connection_id, m.campaign_id, m.date, (m.changed_at AT TIME ZONE c.timezone)::DATE AS restated_on, m.metric,
    sum(coalesce(m.new, 0) - coalesce(m.old, 0))::BIGINT AS delta
FROM named m
JOIN connections c ON c.id = m.connection_id
{% if batch %}JOIN runs r ON r.connection_id = m.connection_id AND r.generation = m.generation{% endif %}

WHERE m.kind = 'restatement' AND m.metric IN ({{ additive_names }})
GROUP BY ALL;

INSERT INTO restated_now BY NAME
SELECT * FROM restated_days SEMI JOIN restated_now USING (connection_id, campaign_id, date, restated_on, metric);

DELETE FROM restated_days
WHERE (connection_id, campaign_id, date, restated_on, metric) IN (
    SELECT connection_id, campaign_id, date, restated_on, metric FROM restated_now
);

INSERT INTO restated_days BY NAME
SELECT connection_id, campaign_id, date, restated_on, metric, sum(delta)::BIGINT AS delta
FROM restated_now
GROUP BY ALL
HAVING sum(delta) <> 0
ORDER BY connection_id, date;
