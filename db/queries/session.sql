-- name: SessionBackend :one
SELECT pg_backend_pid();

-- name: SessionSearchPath :one
-- The schema that new tables go to (empty: none of the search path exists) and the search path itself.
SELECT coalesce(current_schema()::text, '')::text AS schema, current_setting('search_path')::text AS path;
