// Package db holds pawl's SQL for the schema as files: the dbmate migrations and the statement that creates a temporary table.
// pawl applies the migrations at start. The command `dbmate up` can apply them, too.
package db

import "embed"

// MigrationsDir is the folder of the migrations within [Migrations].
const MigrationsDir = "migrations"

// Migrations holds the dbmate migrations. Each file name begins with the time when the migration was written, so the names sort
// by age, the oldest first.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// Returned is the SQL statement that creates the temporary table pawl_returned. The verification against the API stores there the
// event ids that the API has returned. The table is not part of the schema.
//
//go:embed temporary/returned.sql
var Returned string
