select
    {{ account_columns() }},
    known_campaign_id as campaign_id,
    campaign as campaign_name,
    ad_group_id,
    ad_group_name,
    ad_id,
    name as ad_name,
    {{ number_columns() }}
from {{ ref('stg_adpulse__daily') }}
