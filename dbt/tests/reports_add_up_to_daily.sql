-- Every report adds up to daily by account and day, to the micro: no remainder is lost on the way, and nothing counts twice. A day with
-- an ad whose conversions are unknown has a row without them in every report, and the conversions of other days add up.
{% set numbers = ['clicks', 'impressions', 'spend', 'revenue'] %}
{% set reports = ['account', 'campaign', 'ad_group', 'ad'] %}
with expected as (
    select
        connection_id, date,
        {% for number in numbers %} coalesce(sum({{ number }}), 0) as {{ number }}, {% endfor %}
        coalesce(sum(conversions), 0) as conversions,
        bool_or(conversions is null and level <> 'unreported') as has_unknown
    from {{ source('adpulse', 'daily') }}
    group by connection_id, date
),

reported as (
    {% for report in reports %}
    select
        '{{ report }}' as report, source_relation as connection_id, date_day as date,
        coalesce(sum(clicks), 0) as clicks,
        coalesce(sum(impressions), 0) as impressions,
        coalesce(sum(spend), 0) as spend,
        coalesce(sum(conversions_value), 0) as revenue,
        coalesce(sum(conversions), 0) as conversions,
        count(*) > count(conversions) as shows_unknown
    from {{ ref('ad_reporting__' ~ report ~ '_report') }}
    group by source_relation, date_day
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

wanted as (
    select r.report, e.*
    from expected e
    cross join (values {% for report in reports %} ('{{ report }}') {{ ',' if not loop.last }} {% endfor %}) r (report)
)

select *
from wanted w
full join reported r on r.report = w.report and r.connection_id = w.connection_id and r.date = w.date
where w.date is null or r.date is null
    {% for number in numbers %} or w.{{ number }} <> r.{{ number }} {% endfor %}
    or case when w.has_unknown then not r.shows_unknown else w.conversions <> r.conversions end
