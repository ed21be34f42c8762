select
    {{ account_columns() }},
    {{ number_columns() }}
from {{ ref('stg_adpulse__account_day') }}
