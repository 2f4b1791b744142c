// Package mockapi is the DataSync Analytics API in a box: a deterministic event collection behind the envelope, the
// cursors, the rate limit and the failures of the live service, and beside it the truth to hold a client against.
//
//	cfg := mockapi.DefaultConfig() // as recorded: 10 requests per 60 s, cursors that live 120 s
//	cfg.Events, cfg.RateLimit = 20_000, 0
//	api, err := mockapi.New(cfg)
//	srv := httptest.NewServer(api) // base URL: srv.URL + mockapi.BasePath
//
// The collection is arithmetic: an event is computed from the seed when it is asked for, so ten million cost no memory.
// [Server.Truth] gives the rows a database must hold in the end, from the seed and never from what was served.
// [Server.Journal] tells what was asked and answered. Both are also served over HTTP below [AdminPath].
//
// Each fact about the live service is marked where it is used: [R] backed by a recording, [C] claimed by several people,
// [?] unknown and decided here.
//
// The package is an oracle, so it is built from the standard library alone and shares no code with what it tests.
// All of it runs inside a testing/synctest bubble if [New] is called there.
package mockapi
