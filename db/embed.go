// Package db holds the schema: the dbmate migrations that pawl applies at start and that plain `dbmate up` applies too,
// and the temporary tables, which are no part of it.
package db

import "embed"

// MigrationsDir is the folder in Migrations.
const MigrationsDir = "migrations"

// Migrations are the dbmate migrations, oldest first by name.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// Returned makes the temporary table that holds the ids an API has returned.
//
//go:embed temporary/returned.sql
var Returned string
