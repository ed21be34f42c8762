{# Every row that daily ever had: of leaves and of remainders. #}
SELECT
        connection_id, level, external_id, campaign_id, date, changed_at, generation, changed, cause,
        {{ metrics | for_each("{name}", ", ") }}
    FROM raw.metric_changes
    UNION ALL
    SELECT
        connection_id, level, external_id, campaign_id, date, changed_at, generation, changed, cause,
        {{ metrics | for_each("{name}", ", ") }}
    FROM raw.total_changes
    WHERE level IN ('unreported', 'not_by_campaign')
