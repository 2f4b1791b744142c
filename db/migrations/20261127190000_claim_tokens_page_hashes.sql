-- migrate:up

-- A claim's token names its runner for good. An epoch alone repeats itself after a backup is restored.
ALTER TABLE checkpoints
    ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid(),
    ADD COLUMN held_until timestamptz;
COMMENT ON TABLE checkpoints IS 'pawl: how far each stream has been stored; (token, epoch, seq) is the fence against stale runners';
COMMENT ON COLUMN checkpoints.token IS 'random, new with each claim: names the runner that may write';
COMMENT ON COLUMN checkpoints.held_until IS 'the API''s rate limit allows no request before this time, NULL if it said nothing';

-- The same page twice in one pass would count its records twice. Rows from before this migration have no hash.
ALTER TABLE pages
    ADD COLUMN ids_hash bytea,
    ADD COLUMN end_accepted boolean NOT NULL DEFAULT false;
CREATE INDEX pages_ids_hash ON pages (ids_hash) WHERE ids_hash IS NOT NULL;
COMMENT ON COLUMN pages.ids_hash IS 'SHA-256 of the ids of the page''s events and the keys of its rejects, sorted; NULL if it has no record';
COMMENT ON COLUMN pages.end_accepted IS 'the page ended its pass below the announced total, and the user accepted that';

ALTER TABLE dead_letters
    ADD COLUMN payload_sha256 bytea,
    ADD COLUMN others bigint NOT NULL DEFAULT 0;
UPDATE dead_letters SET payload_sha256 = sha256(payload);
ALTER TABLE dead_letters ALTER COLUMN payload_sha256 SET NOT NULL;
-- Conflicts are counted too: an API may put the request's time into each record.
CREATE INDEX dead_letters_open_id ON dead_letters (event_id, stream) WHERE resolved_at IS NULL;
DROP INDEX dead_letters_open;
ALTER INDEX dead_letters_open_id RENAME TO dead_letters_open;
COMMENT ON COLUMN dead_letters.key IS 'what makes a record the same when it comes again: the event''s id and a hash of its value, written canonically; without an id the hash alone';
COMMENT ON COLUMN dead_letters.payload_sha256 IS 'SHA-256 of payload when it was parked';
COMMENT ON COLUMN dead_letters.others IS 'received records of the same event with other bytes that were counted here and not kept, because too many dead letters of that event were open';

-- migrate:down

CREATE INDEX dead_letters_open_id ON dead_letters (event_id, stream) WHERE resolved_at IS NULL AND reason <> 'conflict';
DROP INDEX dead_letters_open;
ALTER INDEX dead_letters_open_id RENAME TO dead_letters_open;
ALTER TABLE dead_letters DROP COLUMN others, DROP COLUMN payload_sha256;
DROP INDEX pages_ids_hash;
ALTER TABLE pages DROP COLUMN end_accepted, DROP COLUMN ids_hash;
ALTER TABLE checkpoints DROP COLUMN held_until, DROP COLUMN token;
