// Package postgres is the EventStore on PostgreSQL, together with the schema it needs. One Commit is one transaction:
// the checkpoint's row first, then the events, then the ledger (I1, I3, I5).
package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pawldata/pawl/internal/domain"
)

// connectTimeout bounds one attempt to connect, unless the URL sets connect_timeout.
const connectTimeout = 10 * time.Second

// callTimeout bounds one call of the server that is not a migration, and the time without progress in a transaction: a dead
// link does not answer, and no timeout that the server keeps would end the wait. It is longer than the lock and statement
// timeouts in begin.
const callTimeout = 75 * time.Second

// closeTimeout bounds the good-bye to a server that may be gone.
const closeTimeout = 2 * time.Second

// poolSize is one connection that holds the stream's early lock, one that commits, and one to spare while a lost
// connection is still being torn down.
const poolSize = 3

// Open prepares a pool for one runner of the stream; it connects when the pool is first used. databaseURL is whatever
// pgx takes: a URL or the key=value form. A malformed one is Invalid, and the error does not show it, since it may hold
// a password. The pool must be closed.
func Open(ctx context.Context, databaseURL string, stream domain.StreamID) (*pgxpool.Pool, error) {
	cfg, err := parse(databaseURL, "pawl/"+stream.String())
	if err != nil {
		return nil, err
	}
	cfg.MinConns, cfg.MaxConns = 0, poolSize
	cfg.AfterConnect = useUTC
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, classify("open database", err)
	}
	return pool, nil
}

// parse uses the pool's parser everywhere: it also takes the pool_… settings that a URL meant for Open may carry.
func parse(databaseURL, application string) (*pgxpool.Config, error) {
	cfg, err := pgxpool.ParseConfig(strings.TrimSpace(databaseURL))
	if err != nil || databaseURL == "" {
		return nil, &domain.Error{
			Kind: domain.Invalid, Op: "read DATABASE_URL",
			Err:  errors.New("it is not a PostgreSQL connection URL, or one of its parameters has a value it cannot have"),
			Hint: "it should look like postgres://user:password@host:5432/database",
		}
	}
	conn := cfg.ConnConfig
	if mode := conn.DefaultQueryExecMode; mode == pgx.QueryExecModeExec || mode == pgx.QueryExecModeSimpleProtocol {
		return nil, &domain.Error{
			Kind: domain.Invalid, Op: "read DATABASE_URL",
			Err:  fmt.Errorf("default_query_exec_mode=%s cannot carry a page of events", strings.ReplaceAll(mode.String(), " ", "_")),
			Hint: "behind a connection pooler use default_query_exec_mode=cache_describe",
		}
	}
	if conn.ConnectTimeout == 0 {
		conn.ConnectTimeout = connectTimeout
	}
	// Whatever role or database default to: text goes out as UTF-8, and read as anything else it would be mangled.
	conn.RuntimeParams["client_encoding"] = "UTF8"
	if conn.RuntimeParams["application_name"] == "" {
		conn.RuntimeParams["application_name"] = application
	}
	conn.AfterConnect = watchClient
	return cfg, nil
}

// clientWatch are the settings by which the server notices within half a minute that the machine of a client is gone, and
// gives up the client's locks. Its defaults take two hours.
var clientWatch = []struct{ name, value string }{ //nolint:gochecknoglobals // a table
	{"tcp_keepalives_idle", "10"},    // seconds
	{"tcp_keepalives_interval", "5"}, // seconds
	{"tcp_keepalives_count", "3"},
	{"tcp_user_timeout", "25000"}, // milliseconds
}

// watchClient makes the server watch a direct connection. Its SQL is not in db/queries, since it runs before there is a
// connection of the kind that generated queries take. It is a statement and not a start-up parameter, since a
// connection pooler refuses start-up parameters it does not know. A pooler's process id is not the server's, and then
// nothing is set: that connection is the pooler's, and others use it too. What the URL sets stays, and an older server
// lacks some of the settings. On a Unix socket they have no effect.
func watchClient(ctx context.Context, conn *pgconn.PgConn) error {
	var rows []string
	for _, s := range clientWatch {
		rows = append(rows, fmt.Sprintf("('%s', '%s')", s.name, s.value))
	}
	sql := fmt.Sprintf(`SELECT set_config(w.name, w.value, false) FROM (VALUES %s) AS w (name, value)
		JOIN pg_settings AS s ON s.name = w.name AND s.source <> 'client' WHERE pg_backend_pid() = %d`, strings.Join(rows, ", "), conn.PID())
	_, err := conn.Exec(ctx, sql).ReadAll()
	return err
}

// useUTC makes scanned times UTC: pgx gives them in the machine's zone.
func useUTC(_ context.Context, conn *pgx.Conn) error {
	conn.TypeMap().RegisterType(&pgtype.Type{
		Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
	})
	return nil
}
