SELECT count(*)
FROM entities
WHERE connection_id = ? AND level NOT IN ('account', 'campaign', 'adset') AND status NOT IN (SELECT unnest(?))
