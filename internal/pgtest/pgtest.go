// Package pgtest gives every test a database of its own on a real PostgreSQL.
//
// A test package hands its run to Main, and each test asks for a Database, or for an Empty one:
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }
//
//	func TestCommit(t *testing.T) {
//		pool := open(t, pgtest.Database(t))
//		…
//
// The server is started by the first test that needs one and serves the whole process. It comes from the first of
// these that works; `go test -v` shows which, and why the ones before it did not:
//
//   - TEST_DATABASE_URL, a postgres:// URL whose user may create databases. Any number of processes may share it.
//   - A container of the image POSTGRES_IMAGE, which is the official postgres:17 unless set.
//   - PostgreSQL's own programs (initdb, postgres), in a temporary folder and on a loopback port. A machine that has none
//     downloads them once into the user's cache.
//
// A test never skips for want of a server: it fails and says how to get one. The servers that pgtest starts run without
// fsync, since nobody needs their data after a power cut; killing their processes loses nothing that was committed.
package pgtest

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"
)

// stopPatience bounds each clean-up, so that a server that hangs fails one test and not the whole run.
const stopPatience = 30 * time.Second

// Main runs the tests of a package and then stops what they started. Its result is for os.Exit.
func Main(m *testing.M) int {
	shared.open()
	code := m.Run()
	ctx, cancel := context.WithTimeout(context.Background(), stopPatience)
	defer cancel()
	if err := shared.close(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "pgtest: stop the server:", err)
	}
	return code
}

// Database creates a database with pawl's schema and returns its URL. It is dropped when the test ends, whoever is
// still connected to it.
func Database(tb testing.TB) string {
	tb.Helper()
	srv := serverFor(tb)
	template, err := shared.migratedTemplate(tb.Context(), srv)
	if err != nil {
		tb.Fatalf("pgtest: make the template database: %v", err)
	}
	return fresh(tb, srv, template)
}

// Empty is Database without the schema.
func Empty(tb testing.TB) string {
	tb.Helper()
	return fresh(tb, serverFor(tb), pristine)
}

// Local creates a database with pawl's schema on a server of the test's own and returns its URL. The server's processes run
// on this machine, whatever the other tests use: for tests that look at its sockets, or come between it and its clients. It
// is stopped when the test ends.
func Local(tb testing.TB) string {
	tb.Helper()
	srv, err := openLocal(tb.Context(), tb.Logf)
	if err != nil {
		tb.Fatalf("pgtest: start a server of this test's own: %v", err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), stopPatience)
		defer cancel()
		if err := srv.stop(ctx); err != nil {
			tb.Errorf("pgtest: stop the server: %v", err)
		}
	})
	name, err := srv.create(tb.Context(), pristine)
	if err == nil {
		err = migrate(tb.Context(), srv.databaseURL(name))
	}
	if err != nil {
		tb.Fatalf("pgtest: make the database: %v", err)
	}
	return srv.databaseURL(name)
}

func serverFor(tb testing.TB) *server {
	tb.Helper()
	srv, err := shared.running(tb.Context(), tb.Logf)
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	return srv
}

func fresh(tb testing.TB, srv *server, template string) string {
	tb.Helper()
	name, err := srv.create(tb.Context(), template)
	if err != nil {
		tb.Fatalf("pgtest: create a database: %v", err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), stopPatience)
		defer cancel()
		if err := srv.drop(ctx, name); err != nil {
			tb.Errorf("pgtest: drop database %s: %v", name, err)
		}
	})
	return srv.databaseURL(name)
}
