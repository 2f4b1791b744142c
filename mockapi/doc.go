// Package mockapi is a mock of the DataSync Analytics API for tests: a deterministic collection of events, served with
// the envelope, the cursors, the rate limit and the failures of the live service. The package also computes the truth: this
// is the expected result for every record. A test compares the truth with the data that a client stored.
//
// How to use it:
//
//	cfg := mockapi.DefaultConfig() // 10 requests per 60 s, and cursors expire after 120 s, like the live service
//	api, err := mockapi.New(cfg)
//	srv := httptest.NewServer(api) // the client's base URL is srv.URL + mockapi.BasePath
//
// The server computes an event from the seed when a client requests it, so ten million events use no memory.
// [Server.Truth] returns the expected results. They depend on the seed and the drifts only, not on the responses.
// [Server.Journal] lists the requests and their responses. [Server.Change] changes the [Scenario] while the server runs.
// These three methods are also available over HTTP, below [AdminPath]. The command cmd/mockapi runs the mock as a program.
//
// A test can ask for two kinds of errors. A [Fault] changes the response to a request. A [Drift] changes a record on every
// page that contains the record. A fault selects its requests by number or by probability, and a drift selects its events
// in the same way.
//
// These words have one meaning in all files. An event is an item of the collection, as plain values. A record is the JSON
// of an event in a response. The index of an event is its distance from the newest event. It changes when the collection
// grows. The ordinal of an event is its distance from the oldest event, which never changes. The files and their subjects
// are:
//
//	server, request, response     from a request to its response
//	config, scenario              the settings, and how they change at run time
//	dataset, content, event       how an event is computed and encoded
//	collection, page, cursor      what a client can list, and the pages
//	limiter                       the rate limit and its headers
//	fault, fault_delivery,
//	fault_hostile                 the faults
//	drift, drift_kinds            the drifts
//	rule                          how a fault selects requests, and a drift selects events
//	truth                         the expected result for every record
//	journal, admin                what a test can observe
//
// Comments mark each fact about the live service. [R] means that the fact was recorded. [C] means that several people
// claim it. [?] means that it is unknown, and that this package decides it.
//
// Tests check other code with this package. Therefore the package imports the standard library only, and shares no code
// with the code under test. It can run inside a testing/synctest bubble if [New] is called in the bubble.
package mockapi
