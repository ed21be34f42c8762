-- A sum over an ad whose conversions are unknown is null in every report, as the sum of the others would be too little.
{% set keys = {'account': [], 'campaign': ['campaign_id'], 'ad_group': ['campaign_id', 'ad_group_id']} %}
{% for report, ids in keys.items() %}
{% set columns = ['source_relation', 'date_day'] + ids %}
select '{{ report }}' as report, r.source_relation, r.date_day, r.conversions
from {{ ref('ad_reporting__' ~ report ~ '_report') }} r
join (
    select {{ columns | join(', ') }}
    from {{ ref('ad_reporting__ad_report') }}
    where ad_id <> 'not_reported'
    group by {{ columns | join(', ') }}
    having bool_or(conversions is null)
) unknown using ({{ columns | join(', ') }})
where r.conversions is not null
{{ 'union all' if not loop.last }}
{% endfor %}
