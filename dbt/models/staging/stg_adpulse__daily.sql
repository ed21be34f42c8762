-- The rows of daily with the platform's id of their account, and with an id at each level: what belongs to no ad, ad group or campaign
-- has a word there instead, so that no report drops it.
select
    d.*,
    a.external_id as account_id,
    coalesce(nullif(d.campaign_id, ''), 'not_reported') as known_campaign_id,
    coalesce(
        d.ad_set_id,
        case d.level when 'unreported' then 'not_reported' when 'asset_group' then 'no_ad_group' else 'unknown' end
    ) as ad_group_id,
    case d.level
        when 'unreported' then d.name
        when 'asset_group' then 'no ad group, as of asset groups'
        else d.ad_set
    end as ad_group_name,
    case d.level when 'unreported' then 'not_reported' else d.external_id end as ad_id
from {{ source('adpulse', 'daily') }} d
join {{ source('adpulse', 'connections') }} a on a.id = d.connection_id
