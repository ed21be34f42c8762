with ad_group_day as (
    select
        connection_id, provider, date, account_id, connection, currency, known_campaign_id, ad_group_id,
        max(campaign) as campaign_name,
        max(ad_group_name) as ad_group_name,
        sum(clicks)::bigint as clicks,
        sum(impressions)::bigint as impressions,
        sum(spend) as spend,
        -- The sum of the known part would be too little. What a remainder does not say is not reported by ad: it is left out, as in campaign_day.
        case when not bool_or(conversions is null and level <> 'unreported') then sum(conversions) end as conversions,
        sum(revenue) as revenue
    from {{ ref('stg_adpulse__daily') }}
    group by connection_id, provider, date, account_id, connection, currency, known_campaign_id, ad_group_id
)

select
    {{ account_columns() }},
    known_campaign_id as campaign_id,
    campaign_name,
    ad_group_id,
    ad_group_name,
    {{ number_columns() }}
from ad_group_day
