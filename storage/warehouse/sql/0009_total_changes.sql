-- Append-only: every row that platform_totals, account_totals, unreported and not_by_campaign ever held, as metric_changes has those of
-- metric_facts. level: campaign or account (totals), or unreported or not_by_campaign (remainders, of which a campaign's has the campaign's
-- id as external_id). The cause baseline marks what a file of an older version held when it was brought up to date: nothing is recorded
-- of the time before. A remainder without a row was zero.
CREATE TABLE total_changes AS
SELECT * EXCLUDE (first_seen_at), 0::INTEGER AS changed, 'baseline' AS cause, 0::BIGINT AS generation
FROM platform_totals
UNION ALL BY NAME
SELECT * EXCLUDE (first_seen_at), 0::INTEGER AS changed, 'baseline' AS cause, 0::BIGINT AS generation
FROM account_totals
UNION ALL BY NAME
SELECT *, 'unreported' AS level, campaign_id AS external_id, 0::INTEGER AS changed, 'baseline' AS cause, 0::BIGINT AS generation
FROM unreported
UNION ALL BY NAME
SELECT
    *, 'not_by_campaign' AS level, '' AS external_id, '' AS campaign_id, 0::INTEGER AS changed, 'baseline' AS cause, 0::BIGINT AS generation
FROM not_by_campaign
ORDER BY connection_id, date, level, external_id;
ALTER TABLE total_changes ALTER connection_id SET NOT NULL;
ALTER TABLE total_changes ALTER level SET NOT NULL;
ALTER TABLE total_changes ALTER external_id SET NOT NULL;
ALTER TABLE total_changes ALTER campaign_id SET NOT NULL;
ALTER TABLE total_changes ALTER date SET NOT NULL;
ALTER TABLE total_changes ALTER changed SET NOT NULL;
ALTER TABLE total_changes ALTER cause SET NOT NULL;
ALTER TABLE total_changes ALTER changed_at SET NOT NULL;
ALTER TABLE total_changes ALTER run_id SET NOT NULL;
ALTER TABLE total_changes ALTER generation SET NOT NULL;
