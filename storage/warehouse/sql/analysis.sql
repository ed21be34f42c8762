{# Amounts of Meta are in the currency's smallest unit, and 0 where there is no budget; amounts of Google are micros. #}
{% macro amount(field) -%}
nullif(try_cast(k.attributes->>'{{ field }}' AS BIGINT), 0)
    * if(c.currency IN ({{ whole_currencies }}), 1, 0.01)::DECIMAL(7, 6)
{%- endmacro %}
{% macro states() -%}
    k.status,
    CASE
        WHEN k.status IN ('ACTIVE', 'ENABLED') THEN 'active'
        WHEN k.status LIKE '%PAUSED' THEN 'paused'
        WHEN k.status = 'ARCHIVED' THEN 'archived'
        WHEN k.status IN ({{ gone }}) THEN 'deleted'
        WHEN k.status IS NOT NULL THEN 'other'
    END AS state,
    try_strptime(k.attributes->>'created_time', '%Y-%m-%dT%H:%M:%S%z') AS created_at
{%- endmacro %}
{% macro budgets() -%}
    coalesce(
        try_cast(k.attributes->>'budget_micros' AS BIGINT) * 0.000001::DECIMAL(7, 6),
        {{ amount('daily_budget') }}
    ) AS daily_budget,
    {{ amount('lifetime_budget') }} AS lifetime_budget
{%- endmacro %}
{% macro delivery(of, keys) -%}
delivery AS (
    SELECT {{ keys }}, min(date) AS first_delivery, max(date) AS last_delivery
    FROM {{ of }}
    WHERE impressions <> 0 OR spend <> 0
    GROUP BY {{ keys }}
)
{%- endmacro %}
{% macro cost_of_conversion() -%}
if({{ unknown_cost() }}, NULL, sum(spend) / nullif(sum(conversions), 0))::DOUBLE AS cpa
{%- endmacro %}
{% set known %}
(
    SELECT connection_id, level, external_id, n.parent_id, n.name, n.status, e.objective, e.attributes::JSON AS attributes
    FROM known_entities n
    LEFT JOIN raw.entities e USING (connection_id, level, external_id)
) k
LEFT JOIN raw.connections c ON c.id = k.connection_id
{% endset %}
-- The rows of daily added up by campaign and day; without a campaign_id what the platform reports by no campaign. Conversions are null
-- where those of any ad are unknown, because the sum of the others would be too little. cpa is spend by conversions; it is null also where
-- what is not reported by ad, or by campaign, has spend and its conversions are unknown.
CREATE OR REPLACE VIEW campaign_day AS
SELECT
    connection_id, connection, provider, currency, date, campaign_id, campaign,
    {{ additive | for_each("{known_sum}::{type} AS {name}", ",\n    ") }},
    {{ cost_of_conversion() }},
    max(changed_at) AS changed_at
FROM daily
GROUP BY connection_id, connection, provider, currency, date, campaign_id, campaign;

-- The rows of daily added up by account and day: the platform's own totals. Conversions are null where those of any ad are unknown. cpa is as
-- in campaign_day.
CREATE OR REPLACE VIEW account_day AS
SELECT
    connection_id, connection, provider, currency, date,
    {{ additive | for_each("{known_sum}::{type} AS {name}", ",\n    ") }},
    {{ cost_of_conversion() }},
    max(changed_at) AS changed_at
FROM daily
GROUP BY connection_id, connection, provider, currency, date;

-- Campaigns as a walk last saw them, or before the first walk as their numbers name them.
CREATE OR REPLACE VIEW campaigns AS
WITH {{ delivery('campaign_day', 'connection_id, campaign_id') }}
SELECT
    k.connection_id,
    c.name AS connection,
    c.provider,
    c.currency,
    k.external_id AS campaign_id,
    k.name AS campaign,
    k.objective,
    {{ states() }},
    {{ budgets() }},
    d.first_delivery,
    d.last_delivery
FROM {{ known }}
LEFT JOIN delivery d ON d.connection_id = k.connection_id AND d.campaign_id = k.external_id
WHERE k.level = 'campaign';

-- Ad sets (Meta) and ad groups (Google) as a walk last saw them, or before the first walk as their ads' numbers name them.
CREATE OR REPLACE VIEW ad_sets AS
WITH {{ delivery('daily', 'connection_id, ad_set_id') }}
SELECT
    k.connection_id,
    c.name AS connection,
    c.provider,
    c.currency,
    k.external_id AS ad_set_id,
    k.name AS ad_set,
    k.parent_id AS campaign_id,
    k.objective,
    {{ states() }},
    {{ budgets() }},
    d.first_delivery,
    d.last_delivery
FROM {{ known }}
LEFT JOIN delivery d ON d.connection_id = k.connection_id AND d.ad_set_id = k.external_id
WHERE k.level IN ('adset', 'ad_group');

-- Ads and asset groups as a walk last saw them, or before the first walk as their numbers name them.
CREATE OR REPLACE VIEW ads AS
WITH {{ delivery('raw.metric_facts', 'connection_id, level, external_id') }}
SELECT
    k.connection_id,
    c.name AS connection,
    c.provider,
    k.level,
    k.external_id,
    k.name,
    if(k.level = 'ad', k.parent_id, NULL) AS ad_set_id,
    if(k.level = 'ad', ad_set.parent_id, k.parent_id) AS campaign_id,
    k.attributes->>'type' AS type,
    {{ states() }},
    k.attributes->>'$.creative.id' AS creative_id,
    coalesce(
        k.attributes->>'$.creative.link_url',
        k.attributes->>'$.creative.object_story_spec.link_data.link',
        k.attributes->>'$.final_urls[0]'
    ) AS link,
    d.first_delivery,
    d.last_delivery
FROM {{ known }}
LEFT JOIN known_entities ad_set
    ON ad_set.connection_id = k.connection_id AND ad_set.level IN ('adset', 'ad_group') AND ad_set.external_id = k.parent_id
LEFT JOIN delivery d ON d.connection_id = k.connection_id AND d.level = k.level AND d.external_id = k.external_id
WHERE k.level IN ('ad', 'asset_group');

-- The syncs that changed something, and what they wrote. A sync that found nothing new is not here: completeness says how fresh its days are.
CREATE OR REPLACE VIEW syncs AS
SELECT
    s.connection_id, c.name AS connection, c.provider, s.run_id, s.applied_at, s.fetched, s.inserted, s.updated, s.unchanged, s.entities_changed
FROM raw.sync_runs s
LEFT JOIN raw.connections c ON c.id = s.connection_id;

-- How the newest day of each connection goes, beside the same weekday a week before at the same time of the account's day. expected is
-- what the day will end at if the rest of it goes as a week before; null where the history of that day is not that fine.
CREATE OR REPLACE VIEW pacing AS
WITH newest AS (
    SELECT
        d.connection_id, d.date, d.fresh_until,
        ((d.fresh_until AT TIME ZONE c.timezone) - INTERVAL 7 DAY) AT TIME ZONE c.timezone AS week_before
    FROM raw.read_days d
    JOIN raw.connections c ON c.id = d.connection_id
    WHERE d.level = 'leaf'
    QUALIFY row_number() OVER (PARTITION BY d.connection_id ORDER BY d.date DESC) = 1
), known_then AS (
    -- Of that day alone: intraday would go through all of the history.
    SELECT h.connection_id, h.spend
    FROM (
        {{ history }}
    ) h
    JOIN newest n ON n.connection_id = h.connection_id AND h.date = n.date - 7 AND h.changed_at <= n.week_before
    QUALIFY row_number() OVER (
        PARTITION BY h.connection_id, h.level, h.external_id ORDER BY h.changed_at DESC, h.generation DESC
    ) = 1
), then_so_far AS (
    SELECT connection_id, sum(spend * 0.000001::DECIMAL(7, 6)) AS spend
    FROM known_then
    GROUP BY connection_id
)
SELECT
    n.connection_id,
    c.name AS connection,
    c.provider,
    c.currency,
    n.date,
    n.fresh_until,
    coalesce(today.spend, 0) AS spend,
    t.spend AS spend_week_before_so_far,
    whole.spend AS spend_week_before,
    (coalesce(today.spend, 0)::DOUBLE * whole.spend::DOUBLE / nullif(t.spend, 0)::DOUBLE)::DECIMAL(38, 2) AS expected
FROM newest n
LEFT JOIN raw.connections c ON c.id = n.connection_id
LEFT JOIN account_day today ON today.connection_id = n.connection_id AND today.date = n.date
LEFT JOIN account_day whole ON whole.connection_id = n.connection_id AND whole.date = n.date - 7
LEFT JOIN then_so_far t ON t.connection_id = n.connection_id;

-- How much of each budget that somebody set is spent: one row per budget and day of which any of its accounts was read. Days and months are
-- the accounts' own; running says whether it is, or may be, the running day of any of them.
CREATE OR REPLACE VIEW budget_day AS
WITH budgets AS (
    SELECT id, label, campaign_id, currency, period, amount * 0.000001::DECIMAL(7, 6) AS amount, connection_id FROM raw.budgets
), newest AS (
    SELECT connection_id, max(date) AS date
    FROM raw.read_days
    WHERE level = 'leaf'
    GROUP BY connection_id
), accounts AS (
    -- An account with another currency than the budget's has nothing to do with it, whatever its labels.
    SELECT b.id, b.campaign_id, c.id AS connection_id, c.name AS connection, n.date AS newest
    FROM budgets b
    JOIN raw.connections c ON c.currency = b.currency AND (c.id = b.connection_id OR list_contains(c.labels, b.label))
    JOIN newest n ON n.connection_id = c.id
), spending AS (
    SELECT connection_id, '' AS campaign_id, date, spend FROM account_day
    UNION ALL
    SELECT connection_id, campaign_id, date, spend FROM campaign_day WHERE campaign_id IS NOT NULL
), days AS (
    SELECT a.id, r.date, coalesce(sum(s.spend), 0) AS spend, min(r.fresh_until) AS fresh_until
    FROM accounts a
    JOIN raw.read_days r ON r.connection_id = a.connection_id AND r.level = 'leaf'
    LEFT JOIN spending s ON s.connection_id = a.connection_id AND s.campaign_id = a.campaign_id AND s.date = r.date
    GROUP BY a.id, r.date
), owners AS (
    SELECT id, list(connection_id ORDER BY connection_id) AS connection_ids, min(connection) AS connection,
        greatest(min(newest), max(newest) - 1) AS running_since -- zones are a day apart; an account that is read no more holds no day open
    FROM accounts
    GROUP BY id
)
SELECT
    b.id AS budget_id,
    CASE WHEN b.label <> '' THEN b.label WHEN b.campaign_id = '' THEN o.connection
        ELSE concat_ws(', ', coalesce(k.name, b.campaign_id), o.connection) END AS name,
    o.connection_ids,
    nullif(b.label, '') AS label,
    nullif(b.campaign_id, '') AS campaign_id,
    b.currency,
    b.period,
    d.date,
    d.date >= o.running_since AS running,
    d.fresh_until,
    d.spend,
    if(b.period = 'daily', d.spend, sum(d.spend) OVER month_so_far)::DECIMAL(38, 6) AS spent,
    b.amount,
    (spent::DOUBLE / b.amount::DOUBLE) AS share
FROM days d
JOIN budgets b ON b.id = d.id
JOIN owners o ON o.id = d.id
LEFT JOIN known_entities k ON k.connection_id = b.connection_id AND k.level = 'campaign' AND k.external_id = b.campaign_id
WINDOW month_so_far AS (PARTITION BY d.id, date_trunc('month', d.date) ORDER BY d.date);

-- How much of a metric's final value is seen at which age of a day: one row per connection, metric and age, over settled days that were
-- followed from the first day on. share is null where the final value is zero.
CREATE OR REPLACE VIEW conversion_lag AS
WITH followed AS (
    SELECT m.connection_id, m.connection, m.provider, m.date, m.metric, m.age_days, sum(m.delta) AS delta
    FROM changes m
    SEMI JOIN (SELECT connection_id, date FROM raw.read_days WHERE level = 'leaf' AND settled) USING (connection_id, date)
    GROUP BY m.connection_id, m.connection, m.provider, m.date, m.metric, m.age_days
    QUALIFY min(m.age_days) OVER (PARTITION BY m.connection_id, m.date) <= 0
), oldest AS (
    SELECT connection_id, connection, provider, metric, max(age_days) AS age_days
    FROM followed
    GROUP BY connection_id, connection, provider, metric
), ages AS (
    SELECT connection_id, connection, provider, metric, unnest(range(age_days + 1)) AS age_days
    FROM oldest
)
SELECT
    a.connection_id,
    a.connection,
    a.provider,
    a.metric,
    a.age_days,
    coalesce(sum(f.delta) FILTER (f.age_days <= a.age_days), 0)::DOUBLE / nullif(sum(f.delta), 0)::DOUBLE AS share,
    count(DISTINCT f.date) AS days
FROM ages a
JOIN followed f ON f.connection_id = a.connection_id AND f.metric = a.metric
GROUP BY a.connection_id, a.connection, a.provider, a.metric, a.age_days;

-- What days that are over but not settled will end at, by account and by campaign: one row per day and metric. The account's own days of the
-- last 120 that were followed from the first day on say how much was seen at the same age, in expected, and how far days differ from that,
-- in low and high: four of five days end between the two. A campaign's day is taken to come in as its account's days do. Without 28 such
-- days there is no row, as there is none for a value of 0 or for profit, which may be negative. The newest day, which still runs, is in pacing.
CREATE OR REPLACE VIEW expected_final AS
WITH young AS (
    SELECT
        connection_id, date, date_diff('day', date, local_time::DATE) AS age_days,
        date_diff('minute', date_trunc('day', local_time), local_time) / 1440 AS part
    FROM (
        SELECT d.connection_id, d.date, d.fresh_until AT TIME ZONE c.timezone AS local_time
        FROM raw.read_days d
        JOIN raw.connections c ON c.id = d.connection_id
        WHERE d.level = 'leaf' AND NOT d.settled
    )
    WHERE local_time::DATE > date
), followed AS (
    -- Of what came on the day of the same age as much as of that day has passed.
    SELECT
        y.connection_id, y.date, y.age_days, f.metric, f.date AS followed_day,
        sum(f.delta * CASE WHEN f.age_days < y.age_days THEN 1 WHEN f.age_days = y.age_days THEN y.part ELSE 0 END) AS seen,
        sum(f.delta)::DOUBLE AS final
    FROM young y
    JOIN raw.followed_days f ON f.connection_id = y.connection_id AND f.metric <> '{{ profit.name }}'
    JOIN raw.connections c ON c.id = y.connection_id
    -- Days from before the mapping came in as another one counted.
    WHERE f.metric NOT IN ({{ mapped_names }}) OR coalesce(f.date >= (c.mapping_since AT TIME ZONE c.timezone)::DATE, true)
    GROUP BY ALL
    HAVING seen > 0
), ratios AS (
    SELECT connection_id, date, metric, sum(final) / sum(seen) AS ratio, count(*) AS days
    FROM followed
    GROUP BY connection_id, date, metric
    HAVING count(*) >= 28 AND sum(final) > 0
), spreads AS (
    -- In roots, as conversions vary with the root of their number: so the days of a small campaign vary more than its account's.
    SELECT
        f.connection_id, f.date, f.age_days, f.metric, r.ratio, r.days,
        quantile_cont((f.final - r.ratio * f.seen) / sqrt(r.ratio * f.seen), 0.1) AS low,
        quantile_cont((f.final - r.ratio * f.seen) / sqrt(r.ratio * f.seen), 0.9) AS high
    FROM followed f
    JOIN ratios r ON r.connection_id = f.connection_id AND r.date = f.date AND r.metric = f.metric
    GROUP BY ALL
), numbers AS (
    SELECT 'account' AS level, NULL AS campaign_id, NULL AS campaign, * EXCLUDE (changed_at)
    FROM account_day
    UNION ALL BY NAME
    SELECT 'campaign' AS level, * EXCLUDE (changed_at)
    FROM campaign_day
    WHERE campaign_id IS NOT NULL
), metrics (metric, unit) AS (
    VALUES
        {{ additive | for_each("('{name}', {unit})") }}
), values_now AS (
    SELECT
        n.connection_id, n.connection, n.provider, n.currency, n.date, n.level, n.campaign_id, n.campaign, s.metric, s.age_days, s.days,
        s.ratio, s.low, s.high, m.unit::DOUBLE AS unit,
        CASE s.metric
            {{ additive | for_each("WHEN '{name}' THEN n.{name}", " ") }}
        END AS value
    FROM numbers n
    JOIN spreads s ON s.connection_id = n.connection_id AND s.date = n.date
    JOIN metrics m ON m.metric = s.metric
)
SELECT
    connection_id, connection, provider, currency, date, level, campaign_id, campaign, metric, age_days, value,
    (value * ratio)::DECIMAL(38, 2) AS expected,
    greatest(value * ratio + low * sqrt(value * ratio * unit), 0)::DECIMAL(38, 2) AS low,
    greatest(value * ratio + high * sqrt(value * ratio * unit), 0)::DECIMAL(38, 2) AS high,
    days
FROM values_now
WHERE value > 0;

-- What a euro costs in each currency on each day that was read: the last imported rate, which is at most 5 days old, as no bank sets one on
-- weekends and holidays. A day without such a rate is not here. From one currency to another a rate is per_euro of the one divided by
-- per_euro of the other.
CREATE OR REPLACE VIEW fx AS
WITH days AS (
    SELECT unnest(generate_series(min(date), max(date), INTERVAL 1 DAY))::DATE AS date
    FROM raw.read_days
), known AS (
    SELECT d.date, c.currency, r.per_euro, r.date AS rate_date
    FROM days d
    CROSS JOIN (SELECT DISTINCT currency FROM raw.fx_rates) c
    ASOF JOIN raw.fx_rates r ON r.currency = c.currency AND r.date <= d.date
)
SELECT date, currency, per_euro, rate_date
FROM known
WHERE date - rate_date <= {{ rate_days }}
UNION ALL
SELECT date, 'EUR', 1, date
FROM days;

-- The rows of daily with all amounts in one currency, such as daily_in('EUR'): an estimate, by the rates of fx. Amounts are null where fx has
-- no rate, as of a currency that nobody knows, and as they are in daily where the account has that currency itself. account_currency is
-- the account's, fx_rate the factor, rate_date the day of the older of the two rates.
CREATE OR REPLACE MACRO daily_in(reporting_currency) AS TABLE
WITH factors AS (
    SELECT
        own.date,
        own.currency AS account_currency,
        wanted.per_euro::DOUBLE / own.per_euro::DOUBLE AS fx_rate,
        least(own.rate_date, wanted.rate_date) AS rate_date
    FROM fx own
    JOIN fx wanted ON wanted.date = own.date AND wanted.currency = upper(reporting_currency)
    WHERE own.currency <> wanted.currency
)
SELECT
    d.* EXCLUDE (currency, {{ money | for_each("{name}", ", ") }}),
    upper(reporting_currency) AS currency,
    d.currency AS account_currency,
    {{ money | for_each("if(d.currency = upper(reporting_currency), d.{name}, (d.{name} * f.fx_rate)::DECIMAL(38, 6)) AS {name}", ",\n    ") }},
    if(d.currency = upper(reporting_currency), 1, f.fx_rate) AS fx_rate,
    if(d.currency = upper(reporting_currency), d.date, f.rate_date) AS rate_date
FROM daily d
LEFT JOIN factors f ON f.date = d.date AND f.account_currency = d.currency;
