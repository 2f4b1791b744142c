// Package conn connects to PostgreSQL, runs transactions with bounded waits, and classifies what goes wrong.
package conn

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

// CallTimeout bounds one call that is not a migration, and in a transaction the time without progress. A dead connection
// never answers, and the timeouts that the server keeps cannot end the wait for it. CallTimeout is longer than the lock and
// statement timeouts of [Transact].
const CallTimeout = 75 * time.Second

// CloseTimeout bounds the clean-up of a connection to a server that may be gone.
const CloseTimeout = 2 * time.Second

// poolSize is the number of connections of a runner: one holds the stream's lock, one commits, and one is spare while the
// pool closes a lost connection.
const poolSize = 3

// NewPool returns a pool for one runner. It connects when the pool is first used. databaseURL has a form that pgx accepts: a
// URL or key=value pairs. A malformed one is Invalid, and the error does not show it, because it may contain a password. The
// caller must close the pool.
func NewPool(ctx context.Context, databaseURL, application string) (*pgxpool.Pool, error) {
	cfg, err := ParseURL(databaseURL, application)
	if err != nil {
		return nil, err
	}
	cfg.MinConns, cfg.MaxConns = 0, poolSize
	cfg.AfterConnect = useUTC
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, Classify("open database", err)
	}
	return pool, nil
}

// ParseURL returns the configuration that databaseURL describes, with pawl's own settings. application is the name that
// PostgreSQL shows for the connections, unless the URL sets application_name. A malformed URL is Invalid.
//
// It uses the parser of the pool for every kind of connection, because a URL may contain pool_… settings.
func ParseURL(databaseURL, application string) (*pgxpool.Config, error) {
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
	// pawl sends text as UTF-8. The role or the database may have another default.
	conn.RuntimeParams["client_encoding"] = "UTF8"
	if conn.RuntimeParams["application_name"] == "" {
		conn.RuntimeParams["application_name"] = application
	}
	conn.AfterConnect = watchClient
	return cfg, nil
}

// Connect opens a single connection, which the caller must close.
func Connect(ctx context.Context, databaseURL, application string) (*pgx.Conn, error) {
	cfg, err := ParseURL(databaseURL, application)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, cfg.ConnConfig)
	return conn, Classify("connect", err)
}

// Close closes the connection, also when ctx has ended. The server then releases the connection's locks. It waits up to
// [CloseTimeout].
func Close(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), CloseTimeout)
	defer cancel()
	_ = conn.Close(ctx) // pgx closes the socket even if this returns an error
}

// clientWatch lists the settings by which the server notices within half a minute that a client's machine is gone, and then
// releases the client's locks. With its defaults this takes two hours.
var clientWatch = []struct{ name, value string }{ //nolint:gochecknoglobals // a table
	{"tcp_keepalives_idle", "10"},    // seconds
	{"tcp_keepalives_interval", "5"}, // seconds
	{"tcp_keepalives_count", "3"},
	{"tcp_user_timeout", "25000"}, // milliseconds
}

// watchClient makes the server watch a direct connection. It changes nothing that the URL sets, and nothing behind a pooler,
// which reports a process id that is not the server's: that connection belongs to the pooler and serves other clients too.
// Older servers do not have all of the settings, and on a Unix socket they have no effect.
//
// It runs a statement because a pooler refuses start-up parameters that it does not know. The SQL is not in db/queries
// because generated queries take a connection of another type.
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

// useUTC makes pgx return times in UTC instead of the machine's time zone.
func useUTC(_ context.Context, conn *pgx.Conn) error {
	conn.TypeMap().RegisterType(&pgtype.Type{
		Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
	})
	return nil
}
