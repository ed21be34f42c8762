-- The rows of campaign_day with the platform's id of their account, and a word where the platform reports no campaign.
select
    d.*,
    a.external_id as account_id,
    coalesce(nullif(d.campaign_id, ''), 'not_reported') as known_campaign_id,
    case when nullif(d.campaign_id, '') is null then 'not reported by campaign' else d.campaign end as campaign_name
from {{ source('adpulse', 'campaign_day') }} d
join {{ source('adpulse', 'connections') }} a on a.id = d.connection_id
