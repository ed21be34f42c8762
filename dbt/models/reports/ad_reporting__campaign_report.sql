select
    {{ account_columns() }},
    known_campaign_id as campaign_id,
    campaign_name,
    {{ number_columns() }}
from {{ ref('stg_adpulse__campaign_day') }}
