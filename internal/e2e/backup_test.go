//go:build e2e

package e2e

import (
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// A backup is a copy of a test's database on the same server.
type backup struct {
	server *database // a session in another database
	name   string    // of the database that was copied
	copied string    // the name of the copy
}

// takeBackup copies a database. PostgreSQL copies only a database that nobody is connected to, so it ends every connection
// to it, those of the test too, and refuses new ones meanwhile. The copy is dropped when the test ends.
func takeBackup(t *testing.T, databaseURL string) *backup {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimPrefix(u.Path, "/")
	u.Path = "/postgres"
	b := &backup{server: connect(t, u.String()), name: name, copied: name + "_backup"}
	b.drop(b.copied) // of an earlier backup in the same test
	b.server.exec("ALTER DATABASE " + quoted(name) + " ALLOW_CONNECTIONS false")
	b.server.exec("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '" + name + "'")
	b.server.exec("CREATE DATABASE " + quoted(b.copied) + " TEMPLATE " + quoted(name))
	b.server.exec("ALTER DATABASE " + quoted(name) + " ALLOW_CONNECTIONS true")
	t.Cleanup(func() { b.drop(b.copied) })
	return b
}

// restore replaces the database by a copy of the backup. It ends every connection to it.
func (b *backup) restore() {
	b.server.t.Helper()
	b.drop(b.name)
	b.server.exec("CREATE DATABASE " + quoted(b.name) + " TEMPLATE " + quoted(b.copied))
}

func (b *backup) drop(name string) {
	b.server.t.Helper()
	b.server.exec("DROP DATABASE IF EXISTS " + quoted(name) + " WITH (FORCE)")
}

func quoted(name string) string { return pgx.Identifier{name}.Sanitize() }
