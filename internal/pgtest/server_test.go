package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestOpenFirst checks that openFirst returns the server of the first source that works, and tries no further source.
func TestOpenFirst(t *testing.T) {
	var tried []string
	newSource := func(name string, err error) serverSource {
		return serverSource{name: name, open: func(context.Context, logf) (*server, error) {
			tried = append(tried, name)
			return newServer(url.URL{Host: name}, nil), err
		}}
	}
	failing := newSource("failing", errors.New("pull refused"))
	working, unneeded := newSource("working", nil), newSource("unneeded", nil)

	sources := []serverSource{failing, working, unneeded}
	srv, err := openFirst(t.Context(), sources, t.Logf)
	if err != nil || srv.url.Host != working.name {
		t.Errorf("got server %v, error %v; want the server of the source %s", srv, err, working.name)
	}
	if want := []string{failing.name, working.name}; !slices.Equal(tried, want) {
		t.Errorf("got tried sources %v, want %v", tried, want)
	}
}

// TestOpenFirst_Error checks that the error names why each source failed, and how the user can provide a server.
func TestOpenFirst_Error(t *testing.T) {
	newFailing := func(name, reason string) serverSource {
		return serverSource{name: name, open: func(context.Context, logf) (*server, error) { return nil, errors.New(reason) }}
	}
	sources := []serverSource{newFailing("one", "not set"), newFailing("two", "pull refused")}
	_, err := openFirst(t.Context(), sources, t.Logf)
	if err == nil {
		t.Fatal("got no error without a server")
	}
	for _, want := range []string{
		"one: not set", "two: pull refused", "TEST_DATABASE_URL", "Docker", "POSTGRES_IMAGE", "initdb",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got error\n%v\nwant %q in it", err, want)
		}
	}
}

// TestGet_WithoutMain checks that a test of a package without pgtest.Main gets an error that says what is missing.
func TestGet_WithoutMain(t *testing.T) {
	_, err := new(sharedServer).get(t.Context(), t.Logf)
	if err == nil || !strings.Contains(err.Error(), "TestMain") {
		t.Fatalf("got error %v, want one about TestMain", err)
	}
}

// TestOpenExternal checks that the server of TEST_DATABASE_URL works.
func TestOpenExternal(t *testing.T) {
	t.Setenv("TEST_DATABASE_URL", requireServer(t).url.String())
	srv, err := openExternal(t.Context(), t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	checkServer(t, srv)
}

// TestOpenExternal_Errors checks that TEST_DATABASE_URL is refused if it is unusable, and that no error shows its password.
func TestOpenExternal_Errors(t *testing.T) {
	const password = "hunter2"
	for name, databaseURL := range map[string]string{
		"unset":          "",
		"key=value":      "host=localhost password=" + password,
		"malformed":      "postgres://u:" + password + "@[::1/db",
		"no server":      "postgres://u:" + password + "@127.0.0.1:1/db",
		"not PostgreSQL": "mysql://u:" + password + "@127.0.0.1:1/db",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TEST_DATABASE_URL", databaseURL)
			_, err := openExternal(t.Context(), t.Logf)
			if err == nil {
				t.Fatal("got a server, want an error")
			}
			if strings.Contains(err.Error(), password) {
				t.Fatalf("got error %v, want one without the password", err)
			}
		})
	}
}

// TestDropAbandoned checks that dropAbandoned drops only old databases whose names pgtest has made.
func TestDropAbandoned(t *testing.T) {
	srv := requireServer(t)
	unique := strings.ToLower(rand.Text())                // other test processes may use the same server
	abandoned := namePrefix + "20200101t000000_" + unique // a name of the year 2020
	foreign := namePrefix + "own_" + unique               // begins with the prefix, but has no time
	for _, name := range []string{abandoned, foreign} {
		if err := srv.exec(t.Context(), "CREATE DATABASE "+name); err != nil {
			t.Fatal(err)
		}
	}
	young, err := srv.create(t.Context(), emptyTemplate)
	if err != nil {
		t.Fatal(err)
	}

	if err := srv.dropAbandoned(t.Context(), time.Now().Add(-abandonedAge), t.Logf); err != nil {
		t.Fatal(err)
	}

	left := listDatabases(t, srv)
	if slices.Contains(left, abandoned) {
		t.Errorf("got the abandoned database %s, want it dropped", abandoned)
	}
	for _, name := range []string{foreign, young} {
		if !slices.Contains(left, name) {
			t.Errorf("got databases %v, want %s among them", left, name)
		}
		if err := srv.drop(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDatabaseURL checks that the path of databaseURL names the database even if TEST_DATABASE_URL has the parameter
// dbname, and that other parameters stay.
func TestDatabaseURL(t *testing.T) {
	const wantName = "observer"
	base := requireServer(t).url.String()
	withDatabase := WithParam(t, base, "dbname", "postgres")
	t.Setenv("TEST_DATABASE_URL", WithParam(t, withDatabase, "application_name", wantName))
	srv, err := openExternal(t.Context(), t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := pgx.ParseConfig(srv.databaseURL("wanted"))
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Database != "wanted" {
		t.Errorf("got database %q, want wanted", cfg.Database)
	}
	if name := cfg.RuntimeParams["application_name"]; name != wantName {
		t.Errorf("got application_name %q, want %s", name, wantName)
	}
}

// checkServer creates and drops a database, and stops the server.
func checkServer(t *testing.T, srv *server) {
	t.Helper()
	name, err := srv.create(t.Context(), emptyTemplate)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(listDatabases(t, srv), name) {
		t.Errorf("database %s does not exist after create", name)
	}
	if err := srv.drop(t.Context(), name); err != nil {
		t.Error(err)
	}
	if err := srv.stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func listDatabases(t *testing.T, srv *server) (names []string) {
	t.Helper()
	err := withConn(t.Context(), srv.url, func(conn *pgx.Conn) error {
		rows, err := conn.Query(t.Context(), "SELECT datname FROM pg_database")
		if err != nil {
			return err
		}
		names, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
