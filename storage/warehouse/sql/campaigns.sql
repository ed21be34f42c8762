-- Ids of the campaigns that are stored of a connection: those of walks, and those that only its numbers name before the first walk.
SELECT external_id FROM entities WHERE connection_id = $connection_id AND level = 'campaign'
UNION
SELECT campaign_id FROM platform_totals WHERE connection_id = $connection_id
ORDER BY 1
