// Package mockapi is a mock of the DataSync Analytics API for tests: a deterministic collection of events, served with
// the envelope, the cursors, the rate limit and the failures of the live service. It also knows the truth, which is the
// expected result for every record, so that a test can compare what a client stored with it.
//
// How to use it:
//
//	cfg := mockapi.DefaultConfig() // as the live service: 10 requests per 60 s, cursors that expire after 120 s
//	api, err := mockapi.New(cfg)
//	srv := httptest.NewServer(api) // the client's base URL is srv.URL + mockapi.BasePath
//
// An event is computed from the seed when it is requested, so ten million events use no memory. [Server.Truth] returns
// the expected result for every record; it depends on the seed and the drifts, not on what was served.
// [Server.Journal] lists the requests and their responses. [Server.Change] changes the [Scenario] while the server runs.
// All three are also served over HTTP below [AdminPath], and the command cmd/mockapi serves a whole mock.
//
// Two tables define what can go wrong: a [Fault] changes the response to a request, a [Drift] changes a record on every
// page that contains it. Each rule selects requests or events by number or by probability. Where to read:
//
//	server, request, response     from a request to its response
//	config, scenario              the settings, and how they change at run time
//	dataset, content, event       how an event is computed and encoded
//	collection, page, cursor      what a client can list, and the pages
//	limiter                       the rate limit and its headers
//	fault, fault_delivery         the faults
//	drift, drift_kinds            the drifts
//	rule                          which requests and events the rules select
//	truth                         the expected result for every record
//	journal, admin                what a test can observe
//
// Each fact about the live service is marked where it is used: [R] was recorded, [C] is claimed by several people,
// [?] is unknown and decided here.
//
// The package checks other code, so it imports the standard library only and shares no code with what it checks.
// It can run inside a testing/synctest bubble if [New] is called there.
package mockapi
