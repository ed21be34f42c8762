-- The answers with each key once. Rows repeat when data moves while pages are read: the last page is the freshest.
SELECT *
FROM answer
SEMI JOIN (SELECT max(ordinal) AS ordinal FROM answer GROUP BY connection_id, level, external_id, date) AS freshest USING (ordinal)
