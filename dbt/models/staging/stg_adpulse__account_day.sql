-- The rows of account_day with the platform's id of their account.
select d.*, a.external_id as account_id
from {{ source('adpulse', 'account_day') }} d
join {{ source('adpulse', 'connections') }} a on a.id = d.connection_id
