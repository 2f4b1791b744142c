-- name: SessionBackend :one
SELECT pg_backend_pid();

-- name: SessionKeepIdle :exec
-- The connection that holds a lock is idle for as long as the API's rate limit lasts. (Older servers lack the setting.)
SELECT set_config('idle_session_timeout', '0', false)
WHERE current_setting('idle_session_timeout', true) IS NOT NULL;

-- name: SessionSearchPath :one
-- The schema that new tables go to (empty: none of the search path exists) and the search path itself.
SELECT coalesce(current_schema()::text, '')::text AS schema, current_setting('search_path')::text AS path;

-- name: SessionFoldName :one
-- A name as PostgreSQL reads it in SQL: folded to lower case, unless it is quoted.
SELECT (parse_ident(@name::text))[1]::text;

-- name: SchemaLock :one
-- Serialises migrations. It ends with the transaction: behind a pooler a session lock would stay with a connection that
-- is not ours.
SELECT pg_try_advisory_xact_lock(hashtextextended('pawl/migrate', 0));
