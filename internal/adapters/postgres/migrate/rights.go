package migrate

import (
	"context"
	"errors"
	"fmt"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/conn"
	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// CheckRights returns Transient if the database accepts no changes. If creates is true, it returns Invalid if the database's user may not create
// pawl's tables. It changes nothing, so another reason may still make [Up] fail.
func CheckRights(ctx context.Context, databaseURL string, creates bool) error {
	const op = "check rights"
	pg, err := conn.Connect(ctx, databaseURL, applicationName)
	if err != nil {
		return err
	}
	defer conn.Close(ctx, pg)
	ctx, cancel := context.WithTimeout(ctx, conn.CallTimeout)
	defer cancel()
	rights, err := dbsqlc.New(pg).SessionRights(ctx)
	switch {
	case err != nil:
		return conn.Classify(op, err)
	case rights.ReadOnly:
		return &domain.Error{
			Kind: domain.Transient, Code: domain.CodeDatabaseReadOnly, Op: op, Err: errors.New("the database accepts no changes"),
			Hint: "let DATABASE_URL lead to the primary server, or set default_transaction_read_only to off for the database and its user",
		}
	case creates && !rights.CanCreate:
		place := "schema " + rights.Schema
		if rights.Schema == "" {
			place = "the database, to make a schema"
		}
		return &domain.Error{
			Kind: domain.Invalid, Code: domain.CodeDatabasePermissionDenied, Op: op,
			Err:    fmt.Errorf("user %s does not have the right CREATE on %s, so pawl's tables cannot be made", rights.Role, place),
			Hint:   "grant the user that right, or set PAWL_MIGRATE_URL to the URL of a user who has it",
			Remedy: domain.MigrateAsOwner,
		}
	}
	return nil
}
