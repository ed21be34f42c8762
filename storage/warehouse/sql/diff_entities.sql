-- Entities whose row differs from the stored one. ordinal grows with the time of the answer: the latest answer wins.
-- walks: where each connection's last complete walk begins; an entity that no answer has named since is GONE, but not one
-- whose row was refused.
-- A row that is GONE, or that gives nothing but the status of a deleted entity (bare), keeps the stored attributes.
WITH named AS (
    SELECT connection_id, level, external_id FROM refused WHERE external_id IS NOT NULL
), last_word AS (
    SELECT max(ordinal) AS ordinal
    FROM answer
    GROUP BY connection_id, level, external_id
), answered AS (
    SELECT answer.* REPLACE (
        CASE
            WHEN answer.ordinal < walks.first AND answer.status NOT IN (FROM deleted_statuses) AND answer.level <> 'account'
                AND (answer.connection_id, answer.level, answer.external_id) NOT IN (SELECT (connection_id, level, external_id) FROM named)
                THEN 'GONE'
            ELSE answer.status
        END AS status
    )
    FROM answer
    SEMI JOIN last_word USING (ordinal)
    LEFT JOIN walks USING (connection_id)
), wanted AS (
    SELECT
        * EXCLUDE (ordinal),
        status = 'GONE' OR (status IN (FROM deleted_statuses) AND coalesce(name, parent_id, objective) IS NULL AND attributes = '{}') AS bare
    FROM answered
    UNION ALL BY NAME
    SELECT * EXCLUDE (first_seen_at, changed_at, run_id) REPLACE ('GONE' AS status), true AS bare
    FROM entities
    SEMI JOIN walks USING (connection_id)
    ANTI JOIN answered USING (connection_id, level, external_id)
    ANTI JOIN named USING (connection_id, level, external_id)
    WHERE status NOT IN (FROM deleted_statuses) AND level <> 'account'
)
SELECT
    w.connection_id,
    w.level,
    w.external_id,
    CASE WHEN w.bare THEN coalesce(s.parent_id, w.parent_id) ELSE w.parent_id END AS parent_id,
    CASE WHEN w.bare THEN coalesce(s.name, w.name) ELSE w.name END AS name,
    w.status,
    CASE WHEN w.bare THEN coalesce(s.objective, w.objective) ELSE w.objective END AS objective,
    CASE WHEN w.bare THEN coalesce(s.attributes, w.attributes) ELSE w.attributes END AS attributes
FROM wanted w
LEFT JOIN entities s USING (connection_id, level, external_id)
WHERE w.status IS DISTINCT FROM s.status
    OR NOT w.bare AND (
        w.parent_id IS DISTINCT FROM s.parent_id
        OR w.name IS DISTINCT FROM s.name
        OR w.objective IS DISTINCT FROM s.objective
        OR w.attributes IS DISTINCT FROM s.attributes
    )
ORDER BY w.connection_id, w.level, w.external_id
