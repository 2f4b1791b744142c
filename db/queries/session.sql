-- name: SessionBackend :one
SELECT pg_backend_pid();

-- name: SessionKeepIdle :exec
-- Lets the connection be idle without a limit: one that holds a lock is idle for as long as the API's rate limit lasts. Older
-- servers do not have the setting.
SELECT set_config('idle_session_timeout', '0', false)
WHERE current_setting('idle_session_timeout', true) IS NOT NULL;

-- name: SessionSearchPath :one
-- Returns the schema of new tables and the search path. The schema is empty if none of the search path exists.
SELECT coalesce(current_schema()::text, '')::text AS schema, current_setting('search_path')::text AS path;

-- name: SessionFoldName :one
-- Returns a name as PostgreSQL reads it in SQL: in lower case, unless it is quoted.
SELECT (parse_ident(@name::text))[1]::text;

-- name: SchemaLock :one
-- Takes the lock that serialises migrations, without waiting. It ends with the transaction: behind a pooler, a session lock
-- would stay with a connection that others use.
SELECT pg_try_advisory_xact_lock(hashtextextended('pawl/migrate', 0));

-- name: SessionLockHolder :one
-- Returns the session that holds the lock of CheckpointLock, and how many seconds ago it last ran a statement. The number is
-- negative for a role without pg_read_all_stats, which cannot see the statements of other roles. pg_locks shows a key of 64
-- bits as two numbers.
SELECT l.pid::int AS pid,
       coalesce(extract(epoch FROM clock_timestamp() - greatest(a.query_start, a.state_change)), -1)::float8 AS idle_seconds
FROM (SELECT hashtextextended('pawl/' || coalesce(current_schema()::text, '') || '/' || @stream::text, 0) AS key) AS k
JOIN pg_catalog.pg_locks AS l ON l.classid = ((k.key >> 32) & 4294967295)::oid AND l.objid = (k.key & 4294967295)::oid
LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database());

-- name: SchemaLongestUser :one
-- Returns the session that has used tables of the current schema for the longest time, and the tables. Its name is hidden
-- from a role that may not see the sessions of other roles.
SELECT l.pid::int AS pid, coalesce(a.application_name, '')::text AS application,
       string_agg(DISTINCT c.relname::text, ', ' ORDER BY c.relname::text)::text AS tables
FROM pg_catalog.pg_locks AS l
JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.granted AND l.pid <> pg_backend_pid()
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database())
  AND n.nspname = current_schema() AND c.relkind = 'r'
GROUP BY l.pid, a.application_name, a.xact_start
ORDER BY a.xact_start NULLS LAST
LIMIT 1;
