-- What every report says of its account: whose it is, the platform by the package's name, the day and the currency.
{% macro account_columns() %}
connection_id as source_relation,
date as date_day,
case provider when 'meta' then 'facebook_ads' when 'google' then 'google_ads' else provider || '_ads' end as platform,
account_id,
connection as account_name,
currency as currency_code
{% endmacro %}


-- The numbers, by the package's names.
{% macro number_columns() %}
clicks,
impressions,
spend,
conversions,
revenue as conversions_value
{% endmacro %}
