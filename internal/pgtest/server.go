package pgtest

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"sync/atomic"
)

const advice = `no PostgreSQL server for this test. Any of these provides one:
  - set TEST_DATABASE_URL to a postgres:// URL whose user may create databases
  - start Docker, with access to the image ` + defaultImage + ` or with POSTGRES_IMAGE naming one it has
  - install PostgreSQL's server programs (initdb and postgres), or have a network to download them
Tried, in this order:`

// logf is testing.TB's Logf.
type logf func(format string, args ...any)

// A server is a running PostgreSQL that lets us create databases.
type server struct {
	url  url.URL // of a database that is there
	stop func(context.Context) error

	prefix string // of the names of this process's databases
	count  atomic.Int64
}

func newServer(u url.URL, stop func(context.Context) error) *server {
	return &server{url: u, stop: stop, prefix: newPrefix()}
}

// A way is one place a server may come from.
type way struct {
	name string
	open func(context.Context, logf) (*server, error)
}

func ways() []way {
	return []way{
		{"TEST_DATABASE_URL", openGiven},
		{"a container of " + image(), openContainer},
		{"local programs", openLocal},
	}
}

// start opens the first way that works.
func start(ctx context.Context, ways []way, logf logf) (*server, error) {
	var failures []string
	for _, w := range ways {
		srv, err := w.open(ctx, logf)
		if err == nil {
			logf("pgtest: PostgreSQL is from %s, at %s; tried before: %q", w.name, srv.url.Host, failures)
			return srv, nil
		}
		failures = append(failures, w.name+": "+err.Error())
	}
	return nil, errors.New(advice + "\n  - " + strings.Join(failures, "\n  - "))
}
