-- One workspace's warehouse. impressions and clicks are counts, the other eight metrics are micros.
-- No PRIMARY KEY: it would make the file 75 % bigger; the one writer keeps the keys unique.
-- Instants are business time in UTC; dates are the account's own.

-- The connections of the workspace, as of the last write.
CREATE TABLE connections (
    id VARCHAR NOT NULL,
    provider VARCHAR NOT NULL,
    external_id VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    currency VARCHAR NOT NULL,
    timezone VARCHAR NOT NULL,
    gross_margin DECIMAL(9, 6) NOT NULL
);

-- Current numbers of the leaves (ads, asset groups), one row per leaf and day. Never a parent: sums would double.
CREATE TABLE metric_facts (
    connection_id VARCHAR NOT NULL,
    level VARCHAR NOT NULL,
    external_id VARCHAR NOT NULL,
    campaign_id VARCHAR NOT NULL,
    date DATE NOT NULL,
    impressions BIGINT NOT NULL,
    clicks BIGINT NOT NULL,
    spend BIGINT NOT NULL,
    conversions BIGINT NOT NULL,
    revenue BIGINT NOT NULL,
    leads BIGINT NOT NULL,
    installs BIGINT NOT NULL,
    purchases BIGINT NOT NULL,
    visitors BIGINT NOT NULL,
    profit BIGINT NOT NULL,
    first_seen_at TIMESTAMPTZ NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL,
    run_id VARCHAR NOT NULL
);

-- Current totals of campaigns and accounts as the platform reports them; null where it does not say.
CREATE TABLE platform_totals (
    connection_id VARCHAR NOT NULL,
    level VARCHAR NOT NULL,
    external_id VARCHAR NOT NULL,
    campaign_id VARCHAR NOT NULL,
    date DATE NOT NULL,
    impressions BIGINT,
    clicks BIGINT,
    spend BIGINT,
    conversions BIGINT,
    revenue BIGINT,
    leads BIGINT,
    installs BIGINT,
    purchases BIGINT,
    visitors BIGINT,
    profit BIGINT,
    first_seen_at TIMESTAMPTZ NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL,
    run_id VARCHAR NOT NULL
);

-- What a campaign's total held beyond its stored leaves when the two were last compared.
CREATE TABLE unreported (
    connection_id VARCHAR NOT NULL,
    campaign_id VARCHAR NOT NULL,
    date DATE NOT NULL,
    impressions BIGINT,
    clicks BIGINT,
    spend BIGINT,
    conversions BIGINT,
    revenue BIGINT,
    leads BIGINT,
    installs BIGINT,
    purchases BIGINT,
    visitors BIGINT,
    profit BIGINT,
    changed_at TIMESTAMPTZ NOT NULL,
    run_id VARCHAR NOT NULL
);

-- Append-only: every row metric_facts ever held. changed: the bits of the metrics that differ from before, as adpulse/metrics.py
-- declares them. cause: platform, margin (only profit moved), mapping (the day was read for the first time by another mapping), vanished
-- (the platform stopped reporting a living leaf's day), first read (of a metric that came after the first version), or unknown (nothing but
-- what is not known any more, or again).
-- generation orders two changes made at the same instant.
CREATE TABLE metric_changes (
    connection_id VARCHAR NOT NULL,
    level VARCHAR NOT NULL,
    external_id VARCHAR NOT NULL,
    campaign_id VARCHAR NOT NULL,
    date DATE NOT NULL,
    impressions BIGINT NOT NULL,
    clicks BIGINT NOT NULL,
    spend BIGINT NOT NULL,
    conversions BIGINT NOT NULL,
    revenue BIGINT NOT NULL,
    leads BIGINT NOT NULL,
    installs BIGINT NOT NULL,
    purchases BIGINT NOT NULL,
    visitors BIGINT NOT NULL,
    profit BIGINT NOT NULL,
    changed INTEGER NOT NULL,
    cause VARCHAR NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL,
    run_id VARCHAR NOT NULL,
    generation BIGINT NOT NULL
);

-- Campaigns and all below them as a walk last saw them; attributes is JSON.
CREATE TABLE entities (
    connection_id VARCHAR NOT NULL,
    level VARCHAR NOT NULL,
    external_id VARCHAR NOT NULL,
    parent_id VARCHAR,
    name VARCHAR,
    status VARCHAR NOT NULL,
    objective VARCHAR,
    attributes VARCHAR NOT NULL,
    first_seen_at TIMESTAMPTZ NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL,
    run_id VARCHAR NOT NULL
);

-- Append-only: every row entities ever held.
CREATE TABLE entity_changes (
    connection_id VARCHAR NOT NULL,
    level VARCHAR NOT NULL,
    external_id VARCHAR NOT NULL,
    parent_id VARCHAR,
    name VARCHAR,
    status VARCHAR NOT NULL,
    objective VARCHAR,
    attributes VARCHAR NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL,
    run_id VARCHAR NOT NULL,
    generation BIGINT NOT NULL
);

-- The runs that changed something, written in the same transaction as what they changed.
CREATE TABLE sync_runs (
    run_id VARCHAR NOT NULL,
    generation BIGINT NOT NULL,
    connection_id VARCHAR NOT NULL,
    applied_at TIMESTAMPTZ NOT NULL,
    fetched BIGINT NOT NULL,
    inserted BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    unchanged BIGINT NOT NULL,
    entities_changed BIGINT NOT NULL
);
