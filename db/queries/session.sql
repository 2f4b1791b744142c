-- name: SessionBackend :one
SELECT pg_backend_pid();

-- name: SessionKeepIdle :exec
-- Allows the connection to be idle for any time. The connection that holds the stream's lock must live as long as the runner. The
-- condition is necessary because old servers do not have the setting.
SELECT set_config('idle_session_timeout', '0', false)
WHERE current_setting('idle_session_timeout', true) IS NOT NULL;

-- name: SessionReport :exec
-- Sets the limits of a runner's reports, for the transaction or for the whole session. No other session waits long for a report, and a report
-- waits at most 2 s for a lock, and never for the disk, so that it does not slow down the commits of the pages.
SELECT set_config('lock_timeout', '2s', @is_local), set_config('statement_timeout', '10s', @is_local),
       set_config('synchronous_commit', 'off', @is_local);

-- name: SessionLimitIdle :exec
-- Lets the server end the transaction of a runner that is frozen, because the transaction locks the ids of its events.
SELECT set_config('idle_in_transaction_session_timeout', '10s', true);

-- name: SessionSearchPath :one
-- Returns the search path and the schema in which PostgreSQL creates new tables. The schema is empty if no schema of the path exists.
SELECT coalesce(current_schema()::text, '')::text AS schema, current_setting('search_path')::text AS path;

-- name: SessionRights :one
-- Returns whether the user may create tables in the current schema, or create a schema if the search path has none, and whether the session
-- can change nothing because the server is a standby or default_transaction_read_only is on.
SELECT current_user::text AS role, coalesce(current_schema()::text, '')::text AS schema,
       (current_setting('transaction_read_only') = 'on')::bool AS read_only,
       (CASE WHEN current_schema() IS NULL THEN has_database_privilege(current_database(), 'CREATE')
             ELSE has_schema_privilege(current_schema(), 'CREATE') END)::bool AS can_create;

-- name: SessionFoldName :one
-- Returns a name as PostgreSQL reads it in SQL. PostgreSQL changes a name to lower case unless it is quoted.
SELECT (parse_ident(@name::text))[1]::text;

-- name: SchemaLock :one
-- Tries to take the lock that only one migrating process may hold, without waiting, and returns whether it has the lock. PostgreSQL
-- releases the lock at the end of the transaction. A session lock would be wrong, because behind a pooler it would stay with a
-- connection that other clients use.
SELECT pg_try_advisory_xact_lock(hashtextextended('pawl/migrate', 0));

-- name: SessionLockHolder :one
-- Returns the session that holds the lock of CheckpointLock, and how many seconds ago the session last ran a statement. The number is
-- negative if the role may not see the statements of other roles (it lacks pg_read_all_stats). pg_locks shows the 64 bits of the key
-- as two numbers, classid and objid.
SELECT l.pid::int AS pid,
       coalesce(extract(epoch FROM clock_timestamp() - greatest(a.query_start, a.state_change)), -1)::float8 AS idle_seconds
FROM (SELECT hashtextextended('pawl/' || coalesce(current_schema()::text, '') || '/' || @stream::text, 0) AS key) AS k
JOIN pg_catalog.pg_locks AS l ON l.classid = ((k.key >> 32) & 4294967295)::oid AND l.objid = (k.key & 4294967295)::oid
LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database());

-- name: SchemaLongestUser :one
-- Returns the session that has used tables of the current schema for the longest time, and the names of these tables. application is
-- empty if the role may not see the sessions of other roles.
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

-- name: SessionNow :one
-- Returns the time by the clock of the server, which wrote all times in the tables.
SELECT clock_timestamp()::timestamptz AS now;

-- name: SessionLockIsHeld :one
-- Reports whether a session holds the lock of CheckpointLock. See SessionLockHolder.
SELECT EXISTS (
    SELECT FROM (SELECT hashtextextended('pawl/' || coalesce(current_schema()::text, '') || '/' || @stream::text, 0) AS key) AS k
    JOIN pg_catalog.pg_locks AS l ON l.classid = ((k.key >> 32) & 4294967295)::oid AND l.objid = (k.key & 4294967295)::oid
    WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
      AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database())
);
