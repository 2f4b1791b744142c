// Package mockapi is the DataSync Analytics API in a box: a deterministic event collection behind the envelope, the
// cursors, the rate limit and the failures of the live service, and beside it the truth to hold a client against.
//
//	cfg := mockapi.DefaultConfig() // as recorded: 10 requests per 60 s, cursors that live 120 s
//	cfg.Events, cfg.RateLimit = 20_000, 0
//	api, err := mockapi.New(cfg)
//	srv := httptest.NewServer(api) // base URL: srv.URL + mockapi.BasePath
//
// The collection is arithmetic: an event is computed from the seed when it is asked for, so ten million cost no memory.
// [Server.Truth] gives what must become of each record in the end, from the seed and never from what was served.
// [Server.Journal] tells what was asked and answered. [Server.Change] changes the [Scenario] while it runs. All are also
// served over HTTP below [AdminPath].
//
// What goes wrong is two tables of small functions, chosen by number or by probability: a [Fault] strikes an answer, a
// [Drift] strikes a record, whichever page it stands in. Where to read:
//
//	server, endpoint, arrival, exchange      a request's way to its answer
//	dataset, content, visit, properties      the events as arithmetic
//	collection, filter, sessions, lookup     what can be asked for
//	page, envelope, cursor, encode           how it goes over the wire
//	limiter, rateheaders                     the windows, and how answers tell of them
//	fault, fault_*                           faults by the stage of an answer at which they strike
//	drift, drift_*, drifting, record         drifts, and who drifts
//	truth, row                               what must become of each record
//	journal, entry, summary, admin           what the harness sees
//
// Each fact about the live service is marked where it is used: [R] backed by a recording, [C] claimed by several people,
// [?] unknown and decided here.
//
// The package is an oracle, so it is built from the standard library alone and shares no code with what it tests.
// All of it runs inside a testing/synctest bubble if [New] is called there.
package mockapi
