-- migrate:up

-- The ledger names what each row is, and the page it follows: a replay of dead letters is none of the API's pages, so it
-- has no place in the chain, only the seq that it came behind.
ALTER TABLE pages
    ADD COLUMN kind text NOT NULL DEFAULT 'page',
    ADD COLUMN parent_seq bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT pages_kind CHECK (kind IN ('page', 'replay'));
UPDATE pages SET parent_seq = seq - 1 WHERE cursor_in <> '';
ALTER TABLE pages ALTER COLUMN kind DROP DEFAULT, ALTER COLUMN parent_seq DROP DEFAULT, DROP CONSTRAINT pages_stream_seq;
CREATE UNIQUE INDEX pages_stream_seq ON pages (stream, seq) WHERE kind = 'page';
COMMENT ON TABLE pages IS 'pawl: the ledger, one row per committed page, or batch of dead letters replayed, written in the transaction that stored its events';
COMMENT ON COLUMN pages.kind IS 'page: from the API; replay: dead letters decoded again';
COMMENT ON COLUMN pages.seq IS 'of a page, its number in the stream; of a replay, the last page before it';
COMMENT ON COLUMN pages.parent_seq IS 'the seq of the page whose cursor led here, 0 at the head of a pass and for a replay';

CREATE TABLE dead_letters (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream           text NOT NULL,
    key              text NOT NULL,
    page_id          bigint NOT NULL,
    index_in_page    bigint NOT NULL,
    reason           text NOT NULL,
    field            text NOT NULL,
    detail           text NOT NULL,
    payload          bytea NOT NULL,
    event_id         uuid,
    seen             bigint NOT NULL,
    replays          bigint NOT NULL DEFAULT 0,
    parked_at        timestamptz NOT NULL DEFAULT now(),
    resolved_at      timestamptz,
    resolution       text,
    resolved_why     text,
    resolved_page_id bigint,
    -- stream comes last in both indexes: by itself it selects nothing, and must not tempt the planner.
    CONSTRAINT dead_letters_key UNIQUE (key, stream),
    CONSTRAINT dead_letters_resolved CHECK ((resolved_at IS NULL) = (resolution IS NULL)),
    CONSTRAINT dead_letters_resolution CHECK (resolution IN ('replayed', 'duplicate', 'superseded', 'discarded'))
);
CREATE INDEX dead_letters_open ON dead_letters (event_id, stream) WHERE resolved_at IS NULL AND reason <> 'conflict';
COMMENT ON TABLE dead_letters IS 'pawl: records that no row could hold, with their exact bytes and the reason';
COMMENT ON COLUMN dead_letters.key IS 'what makes a record the same when it comes again: the event''s id, else the hash of its bytes; of a conflict, the id and the hash of its values';
COMMENT ON COLUMN dead_letters.page_id IS 'the page (pages.id) that parked it';
COMMENT ON COLUMN dead_letters.index_in_page IS 'its place in that page, from 0';
COMMENT ON COLUMN dead_letters.reason IS 'why it is no row; field and detail say where and what, as of the last attempt';
COMMENT ON COLUMN dead_letters.event_id IS 'the event it is about, NULL where that cannot be told';
COMMENT ON COLUMN dead_letters.seen IS 'how often the record was received; all but the first time count as duplicate';
COMMENT ON COLUMN dead_letters.replays IS 'how often it was replayed';
COMMENT ON COLUMN dead_letters.resolution IS 'NULL while it is open; replayed: stored; duplicate: was stored already; superseded: the API sent the event as it should be; discarded: by hand';
COMMENT ON COLUMN dead_letters.resolved_page_id IS 'the ledger row (pages.id) that resolved it, NULL if discarded';

CREATE TABLE drift (
    stream        text NOT NULL,
    path          text NOT NULL,
    kind          text NOT NULL,
    first_page_id bigint NOT NULL,
    last_page_id  bigint NOT NULL,
    count         bigint NOT NULL,
    sample        text NOT NULL,
    PRIMARY KEY (stream, path, kind)
);
COMMENT ON TABLE drift IS 'pawl: what records hold that nobody expected, each path and kind once; nothing of it is lost';
COMMENT ON COLUMN drift.count IS 'records that had it, duplicates included';

-- For readers that follow page_id. Within a stream it grows with the rows, so a block range index serves, at no cost that
-- could be measured; a b-tree costs a fifth of the speed.
CREATE INDEX events_page_id ON events USING brin (page_id);

CREATE VIEW event_arrivals AS
SELECT e.*, p.stream, p.kind, p.pass, p.seq, p.fetched_at, p.committed_at
FROM events AS e
JOIN pages AS p ON p.id = e.page_id;
COMMENT ON VIEW event_arrivals IS 'pawl: every event with the page that brought it. Within a stream page_id grows in the order of commits: whoever asks for page_id > the last one it saw meets each event once';

-- migrate:down

DROP VIEW event_arrivals;
DROP INDEX events_page_id;
DROP TABLE drift;
DROP TABLE dead_letters;
DELETE FROM pages WHERE kind = 'replay';
DROP INDEX pages_stream_seq;
ALTER TABLE pages ADD CONSTRAINT pages_stream_seq UNIQUE (stream, seq);
ALTER TABLE pages DROP COLUMN parent_seq, DROP COLUMN kind;
