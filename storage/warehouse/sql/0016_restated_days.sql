-- What the platform changed of days that were complete, as the view restatements has it, added up by campaign: one row per day that was
-- restated, the account's local day on which it was, and metric. Pages read it, because restatements reads the whole history. Kept for
-- days of the last 120 days.
CREATE TABLE restated_days (
    connection_id VARCHAR NOT NULL,
    campaign_id VARCHAR NOT NULL,
    date DATE NOT NULL,
    restated_on DATE NOT NULL,
    metric VARCHAR NOT NULL,
    delta BIGINT NOT NULL
);
-- How the numbers of settled days came in that were followed from the first day on: one row per day, metric and age of the day at which it
-- changed. The view conversion_lag is the same over the whole history. Kept for days of the last 120 days.
CREATE TABLE followed_days (
    connection_id VARCHAR NOT NULL,
    date DATE NOT NULL,
    metric VARCHAR NOT NULL,
    age_days INTEGER NOT NULL,
    delta BIGINT NOT NULL
);
