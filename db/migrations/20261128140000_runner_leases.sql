-- migrate:up

-- The columns are nullable and have no default, so the migration does not rewrite the table.
ALTER TABLE runners ADD COLUMN holder uuid, ADD COLUMN lease_until timestamptz;
COMMENT ON COLUMN runners.holder IS 'names the process that holds the stream by a lease, NULL if it holds it by the session lock';
COMMENT ON COLUMN runners.lease_until IS 'no other runner may claim the stream before this time, NULL if there is no lease';

-- migrate:down

ALTER TABLE runners DROP COLUMN holder, DROP COLUMN lease_until;
