-- The ids that the API has returned to `pawl verify --against-api`. Without a key: it is written in the order of the API,
-- which is none of an index's, and read once, as a whole.
CREATE TEMPORARY TABLE pawl_returned (id uuid NOT NULL) ON COMMIT DROP;
