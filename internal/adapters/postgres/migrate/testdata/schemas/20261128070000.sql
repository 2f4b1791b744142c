-- The schema of version 20261128070000, with rows as that version wrote them. Do not edit; see README.md.

CREATE TABLE public.checkpoints (
    stream text NOT NULL,
    source_url text NOT NULL,
    epoch bigint NOT NULL,
    seq bigint DEFAULT 0 NOT NULL,
    pass bigint DEFAULT 1 NOT NULL,
    "position" bigint DEFAULT 0 NOT NULL,
    furthest bigint DEFAULT 0 NOT NULL,
    cursor text DEFAULT ''::text NOT NULL,
    cursor_expires_at timestamp with time zone,
    done boolean DEFAULT false NOT NULL,
    announced_first bigint,
    announced_last bigint,
    received bigint DEFAULT 0 NOT NULL,
    inserted bigint DEFAULT 0 NOT NULL,
    duplicate bigint DEFAULT 0 NOT NULL,
    parked bigint DEFAULT 0 NOT NULL,
    last_event_at timestamp with time zone,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    token uuid DEFAULT gen_random_uuid() NOT NULL,
    held_until timestamp with time zone,
    CONSTRAINT checkpoints_balanced CHECK ((received = ((inserted + duplicate) + parked)))
);

COMMENT ON TABLE public.checkpoints IS 'pawl: how far each stream has been stored; (token, epoch, seq) is the fence against stale runners';

COMMENT ON COLUMN public.checkpoints."position" IS 'records received from the head in this pass';

COMMENT ON COLUMN public.checkpoints.furthest IS 'the greatest position any pass has reached';

COMMENT ON COLUMN public.checkpoints.updated_at IS 'when the checkpoint last moved';

COMMENT ON COLUMN public.checkpoints.token IS 'random, new with each claim: names the runner that may write';

COMMENT ON COLUMN public.checkpoints.held_until IS 'the API''s rate limit allows no request before this time, NULL if it said nothing';

CREATE TABLE public.dead_letters (
    id bigint NOT NULL,
    stream text NOT NULL,
    key text NOT NULL,
    page_id bigint NOT NULL,
    index_in_page bigint NOT NULL,
    reason text NOT NULL,
    field text NOT NULL,
    detail text NOT NULL,
    payload bytea NOT NULL,
    event_id uuid,
    seen bigint NOT NULL,
    replays bigint DEFAULT 0 NOT NULL,
    parked_at timestamp with time zone DEFAULT now() NOT NULL,
    resolved_at timestamp with time zone,
    resolution text,
    resolved_why text,
    resolved_page_id bigint,
    payload_sha256 bytea NOT NULL,
    others bigint DEFAULT 0 NOT NULL,
    CONSTRAINT dead_letters_resolution CHECK ((resolution = ANY (ARRAY['replayed'::text, 'duplicate'::text, 'superseded'::text, 'discarded'::text]))),
    CONSTRAINT dead_letters_resolved CHECK (((resolved_at IS NULL) = (resolution IS NULL)))
);

COMMENT ON TABLE public.dead_letters IS 'pawl: records that no row could hold, with their exact bytes and the reason';

COMMENT ON COLUMN public.dead_letters.key IS 'what makes a record the same when it comes again: the event''s id and a hash of its value, written canonically; without an id the hash alone';

COMMENT ON COLUMN public.dead_letters.page_id IS 'the page (pages.id) that parked it';

COMMENT ON COLUMN public.dead_letters.index_in_page IS 'its place in that page, from 0';

COMMENT ON COLUMN public.dead_letters.reason IS 'why it is no row; field and detail say where and what, as of the last attempt';

COMMENT ON COLUMN public.dead_letters.event_id IS 'the event it is about, NULL where that cannot be told';

COMMENT ON COLUMN public.dead_letters.seen IS 'how often the record was received; all but the first time count as duplicate';

COMMENT ON COLUMN public.dead_letters.replays IS 'how often it was replayed';

COMMENT ON COLUMN public.dead_letters.resolution IS 'NULL while it is open; replayed: stored; duplicate: was stored already; superseded: the API sent the event as it should be; discarded: by hand';

COMMENT ON COLUMN public.dead_letters.resolved_page_id IS 'the ledger row (pages.id) that resolved it, NULL if discarded';

COMMENT ON COLUMN public.dead_letters.payload_sha256 IS 'SHA-256 of payload when it was parked';

COMMENT ON COLUMN public.dead_letters.others IS 'received records of the same event with other bytes that were counted here and not kept, because too many dead letters of that event were open';

ALTER TABLE public.dead_letters ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.dead_letters_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.drift (
    stream text NOT NULL,
    path text NOT NULL,
    kind text NOT NULL,
    first_page_id bigint NOT NULL,
    last_page_id bigint NOT NULL,
    count bigint NOT NULL,
    sample text NOT NULL
);

COMMENT ON TABLE public.drift IS 'pawl: what records hold that nobody expected, each path and kind once; nothing of it is lost';

COMMENT ON COLUMN public.drift.count IS 'records that had it, duplicates included';

CREATE TABLE public.events (
    id uuid NOT NULL,
    session_id uuid NOT NULL,
    user_id uuid NOT NULL,
    type text NOT NULL,
    name text NOT NULL,
    properties jsonb NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    device_type text NOT NULL,
    browser text NOT NULL,
    extra jsonb,
    page_id bigint NOT NULL
);

COMMENT ON TABLE public.events IS 'pawl: one row per event, whatever the number of times it was received';

COMMENT ON COLUMN public.events.extra IS 'fields of the record that no column holds, NULL if there were none';

COMMENT ON COLUMN public.events.page_id IS 'the page (pages.id) that brought the event first';

CREATE TABLE public.pages (
    id bigint NOT NULL,
    stream text NOT NULL,
    pass bigint NOT NULL,
    seq bigint NOT NULL,
    cursor_in text NOT NULL,
    cursor_out text NOT NULL,
    "position" bigint NOT NULL,
    received bigint NOT NULL,
    inserted bigint NOT NULL,
    duplicate bigint NOT NULL,
    parked bigint NOT NULL,
    body_bytes bigint NOT NULL,
    request_id text NOT NULL,
    requests bigint NOT NULL,
    retries bigint NOT NULL,
    rate_limited bigint NOT NULL,
    waited_ms bigint NOT NULL,
    fetched_at timestamp with time zone NOT NULL,
    committed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    trace_id text DEFAULT ''::text NOT NULL,
    kind text NOT NULL,
    parent_seq bigint NOT NULL,
    ids_hash bytea,
    end_accepted boolean DEFAULT false NOT NULL,
    CONSTRAINT pages_balanced CHECK ((received = ((inserted + duplicate) + parked))),
    CONSTRAINT pages_kind CHECK ((kind = ANY (ARRAY['page'::text, 'replay'::text])))
);

COMMENT ON TABLE public.pages IS 'pawl: the ledger, one row per committed page, or batch of dead letters replayed, written in the transaction that stored its events';

COMMENT ON COLUMN public.pages.seq IS 'of a page, its number in the stream; of a replay, the last page before it';

COMMENT ON COLUMN public.pages."position" IS 'records received from the head of the pass, this page included';

COMMENT ON COLUMN public.pages.trace_id IS 'the OpenTelemetry trace of this page, empty where none was recorded';

COMMENT ON COLUMN public.pages.kind IS 'page: from the API; replay: dead letters decoded again';

COMMENT ON COLUMN public.pages.parent_seq IS 'the seq of the page whose cursor led here, 0 at the head of a pass and for a replay';

COMMENT ON COLUMN public.pages.ids_hash IS 'SHA-256 of the ids of the page''s events and the keys of its rejects, sorted; NULL if it has no record';

COMMENT ON COLUMN public.pages.end_accepted IS 'the page ended its pass below the announced total, and the user accepted that';

CREATE VIEW public.event_arrivals AS
 SELECT e.id,
    e.session_id,
    e.user_id,
    e.type,
    e.name,
    e.properties,
    e.occurred_at,
    e.device_type,
    e.browser,
    e.extra,
    e.page_id,
    p.stream,
    p.kind,
    p.pass,
    p.seq,
    p.fetched_at,
    p.committed_at
   FROM (public.events e
     JOIN public.pages p ON ((p.id = e.page_id)));

COMMENT ON VIEW public.event_arrivals IS 'pawl: every event with the page that brought it. Within a stream page_id grows in the order of commits: whoever asks for page_id > the last one it saw meets each event once';

ALTER TABLE public.pages ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.pages_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.runners (
    stream text NOT NULL,
    token uuid NOT NULL,
    host text NOT NULL,
    pid bigint NOT NULL,
    version text NOT NULL,
    since timestamp with time zone NOT NULL,
    alive_at timestamp with time zone NOT NULL,
    state text NOT NULL,
    state_until timestamp with time zone,
    last_error text DEFAULT ''::text NOT NULL,
    last_error_at timestamp with time zone,
    not_before timestamp with time zone
);

COMMENT ON TABLE public.runners IS 'pawl: the last runner of each stream, as it reports itself every few seconds; not part of what verify checks';

COMMENT ON COLUMN public.runners.token IS 'checkpoints.token of the runner''s claim';

COMMENT ON COLUMN public.runners.alive_at IS 'when the runner last reported itself';

COMMENT ON COLUMN public.runners.not_before IS 'the API''s rate limit allows no request before this time, NULL if it said nothing';

CREATE TABLE public.schema_migrations (
    version character varying NOT NULL
);

INSERT INTO public.checkpoints (stream, source_url, epoch, seq, pass, "position", furthest, cursor, cursor_expires_at, done, announced_first, announced_last, received, inserted, duplicate, parked, last_event_at, updated_at, token, held_until) VALUES ('datasync', 'https://api.example/v1', 1, 3, 1, 15, 15, 'eyJpZCI6ImE2YzQ3MjMzLTdmMmMtNDBlNy04YTQzLTYwMzAxYTJiODE1MiIsInRzIjoxNzQ4NzM3OTcxODIzLCJ2IjoyLCJleHAiOjE3OTU4NzI0NDAzMDh9', '2026-11-28 13:27:20.30925+00', false, 1000, 1000, 15, 11, 0, 4, '2025-06-01 00:32:51.823+00', '2026-11-28 13:25:20.317053+00', '34511e1a-ea1b-4b33-b80e-d4179913f69d', NULL);

INSERT INTO public.dead_letters (id, stream, key, page_id, index_in_page, reason, field, detail, payload, event_id, seen, replays, parked_at, resolved_at, resolution, resolved_why, resolved_page_id, payload_sha256, others) OVERRIDING SYSTEM VALUE VALUES (1, 'datasync', '486d8d6f-3a83-466a-92ca-97c780676257 sha256 0912ec486ef7759fa0fdb7992123700cbd7b6bdd2d2c8037eadf0966d61b8be2', 1, 1, 'missing field', 'properties', 'it is not there', '\x7b226964223a2234383664386436662d336138332d343636612d393263612d393763373830363736323537222c2273657373696f6e4964223a2266313961316436302d393737342d343263392d613161662d396461643164626536653034222c22757365724964223a2235383665366234372d333266632d346237382d623633302d643033643339393366653836222c2274797065223a22706167655f76696577222c226e616d65223a226576656e745f6674777a6b64222c2274696d657374616d70223a22323032352d30362d30315430303a33333a31362e3534325a222c2273657373696f6e223a7b226964223a2266313961316436302d393737342d343263392d613161662d396461643164626536653034222c2264657669636554797065223a226465736b746f70222c2262726f77736572223a2246697265666f78227d7d', '486d8d6f-3a83-466a-92ca-97c780676257', 1, 1, '2026-11-28 13:25:20.309096+00', NULL, NULL, NULL, NULL, '\x033dff6efb7c474a53cf3e05c1d181753c8126075833012c754d873570315277', 0);
INSERT INTO public.dead_letters (id, stream, key, page_id, index_in_page, reason, field, detail, payload, event_id, seen, replays, parked_at, resolved_at, resolution, resolved_why, resolved_page_id, payload_sha256, others) OVERRIDING SYSTEM VALUE VALUES (2, 'datasync', 'sha256 5e7b8f051a3b6385f995f3a33215858ffaaf5a2a1f091a00bff450a18d097c28', 1, 2, 'bad UUID', 'id', '"\"38671c34-e2f0-4760-bde5-63f77e9d7ad\"" is not a UUID of the form xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx', '\x7b226964223a2233383637316333342d653266302d343736302d626465352d3633663737653964376164222c2273657373696f6e4964223a2238653965383333362d613266332d346337392d626238312d343839666665396533323334222c22757365724964223a2230643935316339362d393236342d343833622d616137632d333561386466306361313536222c2274797065223a22766964656f5f706c6179222c226e616d65223a226576656e745f386966327230222c2270726f70657274696573223a7b2276617269616e74223a6e756c6c7d2c2274696d657374616d70223a22323032352d30362d30315430303a33333a31352e3530335a222c2273657373696f6e223a7b226964223a2238653965383333362d613266332d346337392d626238312d343839666665396533323334222c2264657669636554797065223a226d6f62696c65222c2262726f77736572223a22536166617269227d7d', NULL, 1, 1, '2026-11-28 13:25:20.309096+00', NULL, NULL, NULL, NULL, '\x1e8db7af7fcfe71fc22195ab5e907bcb43a5bc8c68d92def3299f6fd636d9d48', 0);
INSERT INTO public.dead_letters (id, stream, key, page_id, index_in_page, reason, field, detail, payload, event_id, seen, replays, parked_at, resolved_at, resolution, resolved_why, resolved_page_id, payload_sha256, others) OVERRIDING SYSTEM VALUE VALUES (4, 'datasync', '2a667717-a1d7-4606-b225-40af6799c0e3 sha256 ad897204ff1209bbc7ae079d0a838402d35248c5bd921c8c0ac96b6e98ef9484', 5, 3, 'unstorable', '', 'PostgreSQL refuses it: value overflows numeric format (SQLSTATE 22003)', '\x7b226964223a2232613636373731372d613164372d343630362d623232352d343061663637393963306533222c2273657373696f6e4964223a2266393162393737322d393135382d346433382d613036302d623465306533336233303237222c22757365724964223a2233383637306466362d316135662d343764612d393166312d333835393364623731393062222c2274797065223a22706167655f76696577222c226e616d65223a226576656e745f766933396330222c2270726f70657274696573223a7b22616d6f756e74223a31653430303030302c22746162223a22615c74625c6e227d2c2274696d657374616d70223a22323032352d30362d30315430303a33323a35332e3733375a222c2273657373696f6e223a7b226964223a2266393162393737322d393135382d346433382d613036302d623465306533336233303237222c2264657669636554797065223a226465736b746f70222c2262726f77736572223a2245646765227d7d', '2a667717-a1d7-4606-b225-40af6799c0e3', 1, 1, '2026-11-28 13:25:20.317053+00', NULL, NULL, NULL, NULL, '\x460022bb35e5a2c9c72e18f539e617223c52de42ba5eeb3d58cc3e63373dec86', 0);
INSERT INTO public.dead_letters (id, stream, key, page_id, index_in_page, reason, field, detail, payload, event_id, seen, replays, parked_at, resolved_at, resolution, resolved_why, resolved_page_id, payload_sha256, others) OVERRIDING SYSTEM VALUE VALUES (3, 'datasync', '64489d07-22c1-4d8a-ac87-b2c84ee31027 with values 5f36d97c01cdc2da219b301c1a7a8e3a61225083aebd0162bd22bb620b507036', 5, 1, 'conflict', 'properties', 'the event of this id is stored with another value; the first one stays', '\x7b226964223a2236343438396430372d323263312d346438612d616338372d623263383465653331303237222c2273657373696f6e4964223a2264666135653765662d346565332d346463372d623735662d336631623039616633653434222c22757365724964223a2264306431393561392d356365392d343561392d393533662d363764613665313864626139222c2274797065223a22706167655f76696577222c226e616d65223a226576656e745f736d376f3038222c2270726f70657274696573223a7b2272657669736564223a747275652c22696e223a224dc3a16c616761227d2c2274696d657374616d70223a22323032352d30362d30315430303a33323a35392e3435385a222c2273657373696f6e223a7b226964223a2264666135653765662d346565332d346463372d623735662d336631623039616633653434222c2264657669636554797065223a226d6f62696c65222c2262726f77736572223a224368726f6d65227d7d', '64489d07-22c1-4d8a-ac87-b2c84ee31027', 1, 1, '2026-11-28 13:25:20.317053+00', NULL, NULL, NULL, NULL, '\xdbb0fabf460082d6f59687f461b9995d45e6af5d2296bab59c2e30101522eafc', 0);

INSERT INTO public.drift (stream, path, kind, first_page_id, last_page_id, count, sample) VALUES ('datasync', 'referrer', 'new field', 4, 4, 1, '17');

INSERT INTO public.events (id, session_id, user_id, type, name, properties, occurred_at, device_type, browser, extra, page_id) VALUES ('012b902b-5a86-4e0e-a6cf-8821f5a9f4b3', '2efa7f9c-353d-4f13-a455-09fd31c8f4d0', '300848d7-9695-4a38-b718-68f0b5d23fae', 'video_play', 'event_9nhzdr', '{"cached": false}', '2025-06-01 00:33:19.792+00', 'desktop', 'Chrome', NULL, 1);
INSERT INTO public.events (id, session_id, user_id, type, name, properties, occurred_at, device_type, browser, extra, page_id) VALUES ('21367ddf-357e-440e-8adb-3afcae5314a4', '15ed5711-4d0b-4827-9cfe-9176798606bc', '4865d8a5-93bd-4801-bb69-3fa97e8a8a4a', 'page_view', 'event_ze8cvw', '{"u": "Caé"}', '2025-06-01 00:33:12.148+00', 'mobile', 'Safari', NULL, 1);
INSERT INTO public.events (id, session_id, user_id, type, name, properties, occurred_at, device_type, browser, extra, page_id) VALUES ('8975cc60-3326-4f59-afc1-2cf1e65717f8', '15ed5711-4d0b-4827-9cfe-9176798606bc', '4865d8a5-93bd-4801-bb69-3fa97e8a8a4a', 'api_call', 'event_x1udt1', '{"page": "/help"}', '2025-06-01 00:33:11.481+00', 'mobile', 'Safari', NULL, 1);
INSERT INTO public.events (id, session_id, user_id, type, name, properties, occurred_at, device_type, browser, extra, page_id) VALUES ('2612ec45-0f7b-4436-aef3-e1874d56e78a', '15ed5711-4d0b-4827-9cfe-9176798606bc', '4865d8a5-93bd-4801-bb69-3fa97e8a8a4a', 'click', 'event_6c4dlv', '{"u": "<b>&</b>"}', '2025-06-01 00:33:08.755+00', 'mobile', 'Safari', NULL, 4);
INSERT INTO public.events (id, session_id, user_id, type, name, properties, occurred_at, device_type, browser, extra, page_id) VALUES ('7fed8212-8460-4b25-99f7-d9b05b9b8b53', 'f91b9772-9158-4d38-a060-b4e0e33b3027', '38670df6-1a5f-47da-91f1-38593db7190b', 'page_view', 'event_mk2kq6', '{"u": "Caé"}', '2025-06-01 00:33:07.277+00', 'desktop', 'Edge', NULL, 4);
INSERT INTO public.events (id, session_id, user_id, type, name, properties, occurred_at, device_type, browser, extra, page_id) VALUES ('951fd438-ae73-4fe4-8612-d4939ac02612', '1de9a664-ece4-4be2-8657-3c7a3f366f8f', 'b61a903c-74c6-4a7f-9dd5-16d05529bbf0', 'click', 'event_uuw33q', '{"tag": "a\"b\""}', '2025-06-01 00:33:05.314+00', 'tablet', 'Safari', '{"referrer": 17}', 4);
INSERT INTO public.events (id, session_id, user_id, type, name, properties, occurred_at, device_type, browser, extra, page_id) VALUES ('a0073914-ca8d-48b1-8ab5-af69d1555b69', 'd942e133-05ec-4c0e-b711-15c4b540f6bd', 'be12ecf4-645c-44ae-9a9b-cf69b5b5fb5d', 'click', 'event_y98x8b', '{"in": "Gdańsk"}', '2025-06-01 00:33:00.088+00', 'tablet', 'Edge', NULL, 4);
INSERT INTO public.events (id, session_id, user_id, type, name, properties, occurred_at, device_type, browser, extra, page_id) VALUES ('082f8fa4-dfcb-45c8-982b-ac7f87bd2947', '2efa7f9c-353d-4f13-a455-09fd31c8f4d0', '300848d7-9695-4a38-b718-68f0b5d23fae', 'page_view', 'event_w9mrxf', '{"u": "<b>&</b>"}', '2025-06-01 00:33:00.088+00', 'desktop', 'Chrome', NULL, 4);
INSERT INTO public.events (id, session_id, user_id, type, name, properties, occurred_at, device_type, browser, extra, page_id) VALUES ('64489d07-22c1-4d8a-ac87-b2c84ee31027', 'dfa5e7ef-4ee3-4dc7-b75f-3f1b09af3e44', 'd0d195a9-5ce9-45a9-953f-67da6e18dba9', 'page_view', 'event_sm7o08', '{"in": "Málaga"}', '2025-06-01 00:32:59.458+00', 'mobile', 'Chrome', NULL, 5);
INSERT INTO public.events (id, session_id, user_id, type, name, properties, occurred_at, device_type, browser, extra, page_id) VALUES ('2a15ca29-e658-4403-b9b6-df2c2abd8483', 'd942e133-05ec-4c0e-b711-15c4b540f6bd', 'be12ecf4-645c-44ae-9a9b-cf69b5b5fb5d', 'page_view', 'event_u7mkil', '{"utm": {"id": 7}}', '2025-06-01 00:32:55.409+00', 'tablet', 'Edge', NULL, 5);
INSERT INTO public.events (id, session_id, user_id, type, name, properties, occurred_at, device_type, browser, extra, page_id) VALUES ('a6c47233-7f2c-40e7-8a43-60301a2b8152', 'f9f94d62-6830-44ab-ba2c-462a4db5d6bf', '91f1b665-0b6e-48ff-ba27-97c51e5a535a', 'api_call', 'event_cee5ko', '{"in": "Málaga"}', '2025-06-01 00:32:51.823+00', 'tablet', 'Edge', NULL, 5);

INSERT INTO public.pages (id, stream, pass, seq, cursor_in, cursor_out, "position", received, inserted, duplicate, parked, body_bytes, request_id, requests, retries, rate_limited, waited_ms, fetched_at, committed_at, trace_id, kind, parent_seq, ids_hash, end_accepted) VALUES (1, 'datasync', 1, 1, '', 'eyJpZCI6Ijg5NzVjYzYwLTMzMjYtNGY1OS1hZmMxLTJjZjFlNjU3MTdmOCIsInRzIjoxNzQ4NzM3OTkxNDgxLCJ2IjoyLCJleHAiOjE3OTU4NzI0NDAzMDd9', 5, 5, 3, 0, 2, 2001, 'aa985284-9651-4764-8b8a-10f46f06d70e', 1, 0, 0, 0, '2026-11-28 13:25:20.307675+00', '2026-11-28 13:25:20.315827+00', '', 'page', 0, '\x5fbb4acd4c16dfec806c696e279c7f6cce3f4704f7c6ca71597bff1b2a668ac1', false);
INSERT INTO public.pages (id, stream, pass, seq, cursor_in, cursor_out, "position", received, inserted, duplicate, parked, body_bytes, request_id, requests, retries, rate_limited, waited_ms, fetched_at, committed_at, trace_id, kind, parent_seq, ids_hash, end_accepted) VALUES (4, 'datasync', 1, 2, 'eyJpZCI6Ijg5NzVjYzYwLTMzMjYtNGY1OS1hZmMxLTJjZjFlNjU3MTdmOCIsInRzIjoxNzQ4NzM3OTkxNDgxLCJ2IjoyLCJleHAiOjE3OTU4NzI0NDAzMDd9', 'eyJpZCI6IjA4MmY4ZmE0LWRmY2ItNDVjOC05ODJiLWFjN2Y4N2JkMjk0NyIsInRzIjoxNzQ4NzM3OTgwMDg4LCJ2IjoyLCJleHAiOjE3OTU4NzI0NDAzMDh9', 10, 5, 5, 0, 0, 2028, 'fc7e8c1f-1c00-4054-9283-9fbf0f729d34', 1, 0, 0, 0, '2026-11-28 13:25:20.308388+00', '2026-11-28 13:25:20.331257+00', '', 'page', 1, '\xd2c50297438fafdd7550cc8ed850fbb078ffaaff8d7fe1a65e6a81c45d8c95bf', false);
INSERT INTO public.pages (id, stream, pass, seq, cursor_in, cursor_out, "position", received, inserted, duplicate, parked, body_bytes, request_id, requests, retries, rate_limited, waited_ms, fetched_at, committed_at, trace_id, kind, parent_seq, ids_hash, end_accepted) VALUES (5, 'datasync', 1, 3, 'eyJpZCI6IjA4MmY4ZmE0LWRmY2ItNDVjOC05ODJiLWFjN2Y4N2JkMjk0NyIsInRzIjoxNzQ4NzM3OTgwMDg4LCJ2IjoyLCJleHAiOjE3OTU4NzI0NDAzMDh9', 'eyJpZCI6ImE2YzQ3MjMzLTdmMmMtNDBlNy04YTQzLTYwMzAxYTJiODE1MiIsInRzIjoxNzQ4NzM3OTcxODIzLCJ2IjoyLCJleHAiOjE3OTU4NzI0NDAzMDh9', 15, 5, 3, 0, 2, 2068, 'a0ccb686-8f08-4c67-ac0e-abf62656393b', 1, 0, 0, 0, '2026-11-28 13:25:20.30925+00', '2026-11-28 13:25:20.331303+00', '', 'page', 2, '\x4603fe3ce7e270a3815468303ca761805a56c8939b313b1873ed962134382c4c', false);
INSERT INTO public.pages (id, stream, pass, seq, cursor_in, cursor_out, "position", received, inserted, duplicate, parked, body_bytes, request_id, requests, retries, rate_limited, waited_ms, fetched_at, committed_at, trace_id, kind, parent_seq, ids_hash, end_accepted) VALUES (7, 'datasync', 1, 3, '', '', 15, 4, 0, 0, 4, 1408, '', 0, 0, 0, 0, '2026-11-28 13:25:20.486988+00', '2026-11-28 13:25:20.496563+00', '', 'replay', 0, NULL, false);

INSERT INTO public.runners (stream, token, host, pid, version, since, alive_at, state, state_until, last_error, last_error_at, not_before) VALUES ('datasync', '34511e1a-ea1b-4b33-b80e-d4179913f69d', 'host1', 1, 'v0.0.0', '2026-11-28 13:25:20.307983+00', '2026-11-28 13:25:20.331929+00', 'failed', NULL, '', '2026-11-28 13:25:20.331929+00', NULL);

INSERT INTO public.schema_migrations (version) VALUES ('20261123190000');
INSERT INTO public.schema_migrations (version) VALUES ('20261123213000');
INSERT INTO public.schema_migrations (version) VALUES ('20261124163000');
INSERT INTO public.schema_migrations (version) VALUES ('20261127190000');
INSERT INTO public.schema_migrations (version) VALUES ('20261128070000');

SELECT pg_catalog.setval('public.dead_letters_id_seq', 4, true);

SELECT pg_catalog.setval('public.pages_id_seq', 7, true);

ALTER TABLE ONLY public.checkpoints
    ADD CONSTRAINT checkpoints_pkey PRIMARY KEY (stream);

ALTER TABLE ONLY public.dead_letters
    ADD CONSTRAINT dead_letters_key UNIQUE (key, stream);

ALTER TABLE ONLY public.dead_letters
    ADD CONSTRAINT dead_letters_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.drift
    ADD CONSTRAINT drift_pkey PRIMARY KEY (stream, path, kind);

ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.pages
    ADD CONSTRAINT pages_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.runners
    ADD CONSTRAINT runners_pkey PRIMARY KEY (stream);

ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);

CREATE INDEX dead_letters_open ON public.dead_letters USING btree (event_id, stream) WHERE (resolved_at IS NULL);

CREATE INDEX events_page_id ON public.events USING brin (page_id);

CREATE INDEX pages_ids_hash ON public.pages USING btree (ids_hash) WHERE (ids_hash IS NOT NULL);

CREATE UNIQUE INDEX pages_stream_seq ON public.pages USING btree (stream, seq) WHERE (kind = 'page'::text);

