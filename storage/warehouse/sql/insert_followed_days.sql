-- The days that are settled now, with all that they went through: once in a day's life, unless it changes later.
{% set history %}
SELECT h.* FROM (
    {% include 'history.sql' %}
) h
SEMI JOIN settled_days USING (connection_id, date)
{% endset %}
DELETE FROM followed_days
WHERE (connection_id, date) IN (SELECT connection_id, date FROM settled_days);

INSERT INTO followed_days BY NAME
SELECT *
FROM (
    {% include 'kinds.sql' %}
    SELECT
        m.connection_id, m.date, m.metric,
        date_diff('day', m.date, (m.changed_at AT TIME ZONE c.timezone)::DATE)::INTEGER AS age_days,
        sum(coalesce(m.new, 0) - coalesce(m.old, 0))::BIGINT AS delta
    FROM named m
    JOIN connections c ON c.id = m.connection_id
    WHERE m.metric IN ({{ additive_names }})
    GROUP BY ALL
)
QUALIFY min(age_days) OVER (PARTITION BY connection_id, date) <= 0
ORDER BY connection_id, date;
