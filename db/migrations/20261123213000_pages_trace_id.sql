-- migrate:up

ALTER TABLE pages ADD COLUMN trace_id text NOT NULL DEFAULT '';
COMMENT ON COLUMN pages.trace_id IS 'the OpenTelemetry trace of this page, empty where none was recorded';

-- migrate:down

ALTER TABLE pages DROP COLUMN trace_id;
