package conn

import (
	"context"
	"fmt"
	"regexp"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// snapshotID is the form of an id that pg_export_snapshot returns.
var snapshotID = regexp.MustCompile(`^[0-9A-F]+(-[0-9A-F]+)+$`)

// ReadSnapshot runs read in a read-only transaction of another session, which sees what other
// transactions had committed when a transaction exported the snapshot. That transaction must not end before ReadSnapshot returns. If the pool connects to another server or database,
// ReadSnapshot returns an error.
//
// ReadSnapshot limits no time. The caller's context must do it.
func ReadSnapshot(ctx context.Context, pool *pgxpool.Pool, snapshot string, read func(context.Context, *pgx.Conn) error) error {
	if !snapshotID.MatchString(snapshot) {
		return fmt.Errorf("the snapshot has an unknown form: %q", snapshot)
	}
	connection, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer connection.Release() // it closes the connection if the transaction has not ended
	session := connection.Conn().PgConn()
	// SET TRANSACTION SNAPSHOT takes no parameters, and pgx would prepare each text as a statement of its own.
	begin := "begin read only, isolation level repeatable read; set transaction snapshot '" + snapshot + "'; " + settings
	if _, err := session.Exec(ctx, begin).ReadAll(); err != nil {
		return err
	}
	if err := read(ctx, connection.Conn()); err != nil {
		return err
	}
	_, err = session.Exec(ctx, "rollback").ReadAll()
	return err
}
