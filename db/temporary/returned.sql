-- The ids that the API has returned to `pawl verify --against-api`. It has no key: it is written in the order of the API,
-- which would make an index slow, and read once, as a whole.
CREATE TEMPORARY TABLE pawl_returned (id uuid NOT NULL) ON COMMIT DROP;
