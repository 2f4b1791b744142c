// Package conn connects to PostgreSQL, runs transactions with bounded waits, and gives errors their [domain.Kind].
package conn

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// connectTimeout bounds one attempt to connect. The setting connect_timeout of the URL replaces it.
const connectTimeout = 10 * time.Second

// CallTimeout bounds how long pawl waits for one answer of the server. Migrations and the checks of `pawl verify` may wait longer.
// CallTimeout is necessary because a dead connection never answers, and the timeouts of the server cannot end that wait. CallTimeout
// is longer than these timeouts (see settings), so that a server that is alive reports its own timeout first.
const CallTimeout = 75 * time.Second

// CloseTimeout bounds how long pawl waits for the server when it closes a connection or rolls back. The server may be gone.
const CloseTimeout = 2 * time.Second

// poolSize is the maximum number of connections of a runner: one holds the stream's lock, two store batches, one stores a
// hold, and one replaces a lost connection while the pool still closes it.
const poolSize = 5

// NewPool returns a pool of connections for one runner. The pool connects when it is first used. [ParseURL] explains databaseURL and
// application. The caller must close the pool.
//
// The server keeps the statements that pgx prepares, but only for a direct connection. Behind a pooler the next transaction may use another
// connection to the server, which does not know them. Whether there is a pooler is known after the first connection, so this one works in the
// way that is right for both.
func NewPool(ctx context.Context, databaseURL, application string) (*pgxpool.Pool, error) {
	cfg, err := ParseURL(databaseURL, application)
	if err != nil {
		return nil, err
	}
	cfg.MinConns, cfg.MaxConns = 0, poolSize
	cfg.AfterConnect = registerTypes
	var lastWasDirect atomic.Bool
	cfg.ConnConfig.AfterConnect = func(ctx context.Context, pg *pgconn.PgConn) error {
		isDirect, err := watchClient(ctx, pg)
		lastWasDirect.Store(isDirect)
		return err
	}
	cfg.BeforeConnect = func(_ context.Context, connection *pgx.ConnConfig) error {
		if !lastWasDirect.Load() {
			connection.DefaultQueryExecMode = poolerMode
		}
		return nil
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, Classify("open database", err)
	}
	return pool, nil
}

// poolerMode is how pgx runs statements so that they work behind a pooler.
const poolerMode = pgx.QueryExecModeCacheDescribe

// ParseURL returns the configuration that databaseURL describes, with pawl's own settings added. databaseURL is a URL or a list of
// key=value pairs, in the syntax of pgx. application is the name that PostgreSQL shows for the connections, unless databaseURL sets
// application_name.
//
// If databaseURL is malformed or has a setting that pawl cannot use, ParseURL returns Invalid. The error does not show
// databaseURL, because it may contain a password.
//
// Connect uses this configuration of a pool, too, because databaseURL may contain settings of the pool, such as pool_max_conns.
func ParseURL(databaseURL, application string) (*pgxpool.Config, error) {
	cfg, err := pgxpool.ParseConfig(strings.TrimSpace(databaseURL))
	if err != nil || databaseURL == "" {
		return nil, urlError(databaseURL)
	}
	connection := cfg.ConnConfig
	if strings.ContainsAny(connection.Host, "@#") { // no host has these characters, so the password has
		return nil, &domain.Error{
			Kind: domain.Invalid, Code: domain.CodeDatabaseURLInvalid, Op: "read DATABASE_URL",
			Err:  errors.New("the password has a character that ends it too early"),
			Hint: hintURL,
		}
	}
	mode := connection.DefaultQueryExecMode
	if mode == pgx.QueryExecModeExec || mode == pgx.QueryExecModeSimpleProtocol {
		return nil, &domain.Error{
			Kind: domain.Invalid, Code: domain.CodeDatabaseURLInvalid, Op: "read DATABASE_URL",
			Err:  fmt.Errorf("pawl cannot send a page of events with default_query_exec_mode=%s", strings.ReplaceAll(mode.String(), " ", "_")),
			Hint: "remove default_query_exec_mode from DATABASE_URL: pawl notices a connection pooler by itself",
		}
	}
	if connection.ConnectTimeout == 0 {
		connection.ConnectTimeout = connectTimeout
	}
	// pawl sends text as UTF-8, but the role or the database may have another default.
	connection.RuntimeParams["client_encoding"] = "UTF8"
	if connection.RuntimeParams["application_name"] == "" {
		connection.RuntimeParams["application_name"] = application
	}
	connection.AfterConnect = func(ctx context.Context, pg *pgconn.PgConn) error {
		_, err := watchClient(ctx, pg)
		return err
	}
	return cfg, nil
}

// urlError returns the error for a databaseURL that pgx cannot parse. It does not wrap the error of pgx, which may show the password.
func urlError(databaseURL string) error {
	failure := &domain.Error{
		Kind: domain.Invalid, Code: domain.CodeDatabaseURLInvalid, Op: "read DATABASE_URL",
		Err:  errors.New("it is not a PostgreSQL connection URL, or one of its parameters has an invalid value"),
		Hint: hintURL,
	}
	if name := wrongVariable(databaseURL); databaseURL != "" && name != "" {
		failure.Err = fmt.Errorf("the environment variable %s has a value that pawl cannot use", name)
		failure.Hint = "unset " + name + ", or correct it: PostgreSQL's variables complete the URL"
	}
	return failure
}

// hintURL is the hint about a DATABASE_URL that cannot be parsed, or that was parsed into parts that cannot be right.
const hintURL = "it should look like postgres://user:password@host:5432/database; in a password, write @ as %40, # as %23 and / as %2F"

// Connect opens a single connection. [ParseURL] explains databaseURL and application. The caller must close the connection.
func Connect(ctx context.Context, databaseURL, application string) (*pgx.Conn, error) {
	cfg, err := ParseURL(databaseURL, application)
	if err != nil {
		return nil, err
	}
	cfg.ConnConfig.DefaultQueryExecMode = poolerMode
	conn, err := pgx.ConnectConfig(ctx, cfg.ConnConfig)
	return conn, Classify("connect", err)
}

// IsDirect reports whether no pooler is between the connection and the server. It recognises a pooler because the pooler reports another
// process id than the server.
func IsDirect(ctx context.Context, conn *pgx.Conn) (bool, error) {
	backend, err := dbsqlc.New(conn).SessionBackend(ctx)
	return uint32(backend) == conn.PgConn().PID(), err //nolint:gosec // the protocol sends the same 32 bits unsigned
}

// Close closes the connection, so that the server releases its locks. It waits for the server up to [CloseTimeout], even if ctx has
// ended.
func Close(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), CloseTimeout)
	defer cancel()
	_ = conn.Close(ctx) // pgx closes the socket even if this returns an error
}

// clientWatch lists settings of the server for a connection. With these settings the server notices after 25 seconds that the
// client's machine is gone, and releases the client's locks. With the default settings it takes two hours.
var clientWatch = []struct{ name, value string }{ //nolint:gochecknoglobals // a table
	{name: "tcp_keepalives_idle", value: "10"},    // seconds before the first probe
	{name: "tcp_keepalives_interval", value: "5"}, // seconds between two probes
	{name: "tcp_keepalives_count", value: "3"},    // unanswered probes: 10 s + 3 · 5 s = 25 s
	{name: "tcp_user_timeout", value: "25000"},    // milliseconds before data without an answer ends the connection
}

// watchClient sets the settings of clientWatch for a direct connection to the server, and reports whether it is one. It does not change a
// setting that the URL sets, and skips settings that an old server does not have. On a Unix socket the settings have no effect.
//
// Behind a pooler watchClient changes nothing, because the connection to the server belongs to the pooler and serves other clients,
// too. See [IsDirect].
//
// watchClient runs a statement instead of setting start-up parameters, because a pooler refuses start-up parameters that it does not
// know. The SQL is not in db/queries because generated queries take a connection of another type.
func watchClient(ctx context.Context, conn *pgconn.PgConn) (isDirect bool, err error) {
	var rows []string
	for _, s := range clientWatch {
		rows = append(rows, fmt.Sprintf("('%s', '%s')", s.name, s.value))
	}
	sql := fmt.Sprintf(`SELECT pg_backend_pid() = %[2]d; SELECT set_config(w.name, w.value, false) FROM (VALUES %[1]s) AS w (name, value)
		JOIN pg_settings AS s ON s.name = w.name AND s.source <> 'client' WHERE pg_backend_pid() = %[2]d`, strings.Join(rows, ", "), conn.PID())
	results, err := conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		return false, err
	}
	return string(results[0].Rows[0][0]) == "t", nil
}

// registerTypes adapts how pgx encodes and decodes values. It makes pgx return times in UTC instead of the machine's time zone.
func registerTypes(_ context.Context, conn *pgx.Conn) error {
	registerUUIDs(conn)
	conn.TypeMap().RegisterType(&pgtype.Type{
		Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
	})
	return nil
}
