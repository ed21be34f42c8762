-- The campaigns of a connection that have a name and a status.
SELECT external_id, status FROM entities WHERE connection_id = $connection_id AND level = 'campaign'
