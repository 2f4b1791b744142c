// Package db holds the schema as SQL files: the dbmate migrations, which pawl applies at start and plain `dbmate up` can
// apply too, and the temporary tables, which are not part of the schema.
package db

import "embed"

// MigrationsDir is the folder of the migrations within [Migrations].
const MigrationsDir = "migrations"

// Migrations holds the dbmate migrations. Their names sort by age, the oldest first.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// Returned is the statement that creates the temporary table of the ids that the API returned.
//
//go:embed temporary/returned.sql
var Returned string
