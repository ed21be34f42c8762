-- How many different keys each connection's answers have.
SELECT connection_id, count(*) AS keys
FROM (SELECT DISTINCT connection_id, level, external_id, date FROM answer)
GROUP BY connection_id
