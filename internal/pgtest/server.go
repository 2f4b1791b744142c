package pgtest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

const advice = `no PostgreSQL server for this test. Any of these provides one:
  - set TEST_DATABASE_URL to a postgres:// URL whose user may create databases
  - start Docker, with access to the image ` + defaultImage + ` or with POSTGRES_IMAGE naming one it has
  - install PostgreSQL's server programs (initdb and postgres), or have a network to download them
Tried, in this order:`

// emptyTemplate is the template of empty databases. It accepts no connections, so it is never changed and always free to
// copy.
const emptyTemplate = "template0"

// A logf is the method Logf of a testing.TB.
type logf func(format string, args ...any)

// A serverSource is one way to get a server, for example to start a container.
type serverSource struct {
	name string
	open func(context.Context, logf) (*server, error)
}

func serverSources() []serverSource {
	return []serverSource{
		{name: "TEST_DATABASE_URL", open: openExternal},
		{name: "a container of " + image(), open: openContainer},
		{name: "local programs", open: openLocal},
	}
}

// openFirst tries the sources in order and returns the server of the first one that works. If none works, the error contains
// the errors of all sources.
func openFirst(ctx context.Context, sources []serverSource, logf logf) (*server, error) {
	var failures []string
	for _, source := range sources {
		srv, err := source.open(ctx, logf)
		if err == nil {
			logf("pgtest: PostgreSQL is from %s, at %s; tried before: %q", source.name, srv.url.Host, failures)
			return srv, nil
		}
		failures = append(failures, source.name+": "+err.Error())
	}
	return nil, errors.New(advice + "\n  - " + strings.Join(failures, "\n  - "))
}

// A server is a running PostgreSQL server.
type server struct {
	url  url.URL // connects to an existing database, as a user who may create databases
	stop func(context.Context) error

	prefix string       // the beginning of the names of this process's databases
	count  atomic.Int64 // the number of databases created so far
}

func newServer(u url.URL, stop func(context.Context) error) *server {
	return &server{url: u, stop: stop, prefix: newPrefix()}
}

// The name of a database consists of namePrefix, the time in the format nameTime, a random part and a number.
const (
	namePrefix = "pawl_test_"
	nameTime   = "20060102t150405" // such times can be compared as texts
)

// newPrefix returns the beginning of the names of this process's databases. By the time in the prefix, dropAbandoned
// recognizes databases that killed processes have left. The random part is necessary because several test processes may
// use the server.
func newPrefix() string {
	random := make([]byte, 4)
	_, _ = rand.Read(random) // never fails, as documented
	return namePrefix + time.Now().UTC().Format(nameTime) + "_" + hex.EncodeToString(random)
}

// create creates a copy of the template database and returns its name.
func (s *server) create(ctx context.Context, template string) (name string, err error) {
	name = fmt.Sprintf("%s_%d", s.prefix, s.count.Add(1))
	stmt := "CREATE DATABASE " + pgx.Identifier{name}.Sanitize() + " TEMPLATE " + pgx.Identifier{template}.Sanitize()
	if template == emptyTemplate {
		stmt += " ENCODING 'UTF8'"
	}
	return name, s.exec(ctx, stmt)
}

// drop drops a database and ends its connections.
func (s *server) drop(ctx context.Context, name string) error {
	return s.exec(ctx, "DROP DATABASE IF EXISTS "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)")
}

func (s *server) databaseURL(name string) string {
	u := s.url
	u.Path = "/" + name
	query := u.Query()
	for _, param := range []string{"dbname", "database"} { // each of them would override the path
		query.Del(param)
	}
	u.RawQuery = query.Encode()
	return u.String()
}

// exec runs a statement on a new connection. It does not use a pool, because a pool has goroutines. Tests that check for
// leaked goroutines would find them.
func (s *server) exec(ctx context.Context, stmt string) error {
	return withConn(ctx, s.url, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, stmt)
		return err
	})
}

func withConn(ctx context.Context, u url.URL, do func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, u.String())
	if err != nil {
		return err
	}
	return errors.Join(do(conn), conn.Close(ctx))
}

const (
	externalTimeout = 10 * time.Second

	// abandonedAge is the age from which a database counts as left over. It is longer than any test run, so the process that
	// created the database has ended.
	abandonedAge = 24 * time.Hour
)

// openExternal returns the server of TEST_DATABASE_URL. Its stop does nothing, because pgtest has not started the server.
func openExternal(ctx context.Context, logf logf) (*server, error) {
	databaseURL := os.Getenv("TEST_DATABASE_URL")
	if databaseURL == "" {
		return nil, errors.New("not set")
	}
	u, err := url.Parse(databaseURL)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		return nil, errors.New("not a postgres:// URL") // the error must not contain the URL, which may contain a password
	}
	ctx, cancel := context.WithTimeout(ctx, externalTimeout)
	defer cancel()
	srv := newServer(*u, func(context.Context) error { return nil })
	if err := srv.dropAbandoned(ctx, time.Now().Add(-abandonedAge), logf); err != nil {
		return nil, err
	}
	return srv, nil
}

// dropAbandoned drops the databases that test processes created before a time and left when they were killed. It does not
// use FORCE, so a database with connections stays.
func (s *server) dropAbandoned(ctx context.Context, before time.Time, logf logf) error {
	const namePattern = `^` + namePrefix + `\d{8}t\d{6}_` // only names with a time, as newPrefix makes them
	firstKeptName := namePrefix + before.UTC().Format(nameTime)
	return withConn(ctx, s.url, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, "SELECT datname FROM pg_database WHERE datname ~ $1 AND datname < $2", namePattern, firstKeptName)
		if err != nil {
			return err
		}
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		for _, name := range names {
			if _, err := conn.Exec(ctx, "DROP DATABASE IF EXISTS "+pgx.Identifier{name}.Sanitize()); err != nil {
				logf("pgtest: cannot drop the left-over database %s: %v", name, err)
			}
		}
		return nil
	})
}
