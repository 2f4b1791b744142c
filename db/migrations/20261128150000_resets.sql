-- migrate:up

-- A reset is a row of the ledger, so that the ledger explains each move of the checkpoint. PostgreSQL reads the ledger once to check the
-- new constraint. The ledger has one row for each page, so this takes less than a second for a million pages.
ALTER TABLE pages
    DROP CONSTRAINT pages_kind,
    ADD CONSTRAINT pages_kind CHECK (kind IN ('page', 'replay', 'reset'));
COMMENT ON TABLE pages IS 'pawl: the ledger, one row per committed page, batch of dead letters replayed, or reset of the checkpoint, written in the transaction that did so';
COMMENT ON COLUMN pages.kind IS 'page: from the API; replay: dead letters decoded again; reset: the stream starts over from its first page';
COMMENT ON COLUMN pages.seq IS 'of a page, its number in the stream; of a replay or reset, the last page before it';
COMMENT ON COLUMN pages.parent_seq IS 'the seq of the page whose cursor led here, 0 at the head of a pass, for a replay and for a reset';

-- migrate:down

-- Without the rows of its resets, a stream whose checkpoint is at the head of a pass does not agree with its ledger.
DELETE FROM pages WHERE kind = 'reset';
ALTER TABLE pages
    DROP CONSTRAINT pages_kind,
    ADD CONSTRAINT pages_kind CHECK (kind IN ('page', 'replay'));
