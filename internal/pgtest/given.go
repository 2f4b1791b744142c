package pgtest

import (
	"context"
	"errors"
	"net/url"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
)

const givenPatience = 10 * time.Second

// abandonedAfter is longer than any test run: a database this old has lost its process.
const abandonedAfter = 24 * time.Hour

// openGiven uses the server that TEST_DATABASE_URL names and leaves it running.
func openGiven(ctx context.Context, logf logf) (*server, error) {
	given := os.Getenv("TEST_DATABASE_URL")
	if given == "" {
		return nil, errors.New("not set")
	}
	u, err := url.Parse(given)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		return nil, errors.New("not a postgres:// URL") // quoting it would show its password
	}
	ctx, cancel := context.WithTimeout(ctx, givenPatience)
	defer cancel()
	srv := newServer(*u, func(context.Context) error { return nil })
	if err := srv.dropAbandoned(ctx, time.Now().Add(-abandonedAfter), logf); err != nil {
		return nil, err
	}
	return srv, nil
}

// dropAbandoned drops what killed test processes left before the given time: nobody else cleans up on a server that
// outlives them. Without FORCE, a database that is in use after all stays.
func (s *server) dropAbandoned(ctx context.Context, before time.Time, logf logf) error {
	return withConn(ctx, s.url, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, "SELECT datname FROM pg_database WHERE datname ~ $1 AND datname < $2",
			`^`+namePrefix+`\d{8}t\d{6}_`, namePrefix+before.UTC().Format(nameTime))
		if err != nil {
			return err
		}
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		for _, name := range names {
			if _, err := conn.Exec(ctx, "DROP DATABASE IF EXISTS "+pgx.Identifier{name}.Sanitize()); err != nil {
				logf("pgtest: left over database %s stays: %v", name, err)
			}
		}
		return nil
	})
}
