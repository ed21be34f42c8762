-- Days of which this transaction changes numbers because of another mapping: their remainders change for the same reason.
SELECT connection_id, date FROM metric_facts_changed WHERE cause = 'mapping'
UNION
SELECT connection_id, date FROM platform_totals_changed WHERE cause = 'mapping'
UNION
SELECT connection_id, date FROM account_totals_changed WHERE cause = 'mapping'
