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
	server *database // a session in another database, see reconnect
	admin  string    // the URL of that database
	source string    // the URL of the database that is copied
	name   string    // of that database
	copied string    // the name of the copy
}

// newBackup prepares to copy a database. A copy is dropped when the test ends.
func newBackup(t *testing.T, databaseURL string) *backup {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimPrefix(u.Path, "/")
	u.Path = "/postgres"
	b := &backup{server: connect(t, u.String()), admin: u.String(), source: databaseURL, name: name, copied: name + "_backup"}
	t.Cleanup(func() { b.drop(b.copied) })
	return b
}

// take copies the database in place of an earlier copy. PostgreSQL copies only a database that nobody is connected to, so
// take ends every connection to it, those of the test too, and has new ones refused meanwhile.
func (b *backup) take() {
	b.server.t.Helper()
	b.drop(b.copied)
	b.server.exec("ALTER DATABASE " + quoted(b.name) + " ALLOW_CONNECTIONS false")
	eventually(b.server.t, "the database is copied", func() bool {
		b.server.exec("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '" + b.name + "'")
		_, err := b.server.conn.Exec(b.server.ctx, "CREATE DATABASE "+quoted(b.copied)+" TEMPLATE "+quoted(b.name))
		return err == nil // otherwise a session that began before the refusal
	})
	b.server.exec("ALTER DATABASE " + quoted(b.name) + " ALLOW_CONNECTIONS true")
}

// restore replaces the database by the copy. It ends every connection to it.
func (b *backup) restore() {
	b.server.t.Helper()
	b.drop(b.name)
	b.server.exec("CREATE DATABASE " + quoted(b.name) + " TEMPLATE " + quoted(b.copied))
	// Without it a crash soon afterwards sets the copied sequences back by up to 32, and ids are given out twice. No other
	// way to restore a backup does that.
	b.server.exec("CHECKPOINT")
}

// stream reads from the copy where the stream stands in it.
func (b *backup) stream() (epoch, seq int) {
	b.server.t.Helper()
	u, err := url.Parse(b.source)
	if err != nil {
		b.server.t.Fatal(err)
	}
	u.Path = "/" + b.copied
	db := connect(b.server.t, u.String())
	defer db.conn.Close(db.ctx) //nolint:errcheck // it was only read
	return db.epoch(), db.seq()
}

// reconnect replaces the session if it has ended, as it does when the server crashes.
func (b *backup) reconnect() {
	b.server.t.Helper()
	if b.server.conn.Ping(b.server.ctx) == nil {
		return
	}
	eventually(b.server.t, "the server has recovered", func() bool {
		conn, err := pgx.Connect(b.server.ctx, b.admin)
		if err == nil {
			b.server.conn = conn
			b.server.t.Cleanup(func() { _ = conn.Close(b.server.ctx) })
		}
		return err == nil
	})
}

func (b *backup) drop(name string) {
	b.server.t.Helper()
	b.reconnect()
	b.server.exec("DROP DATABASE IF EXISTS " + quoted(name) + " WITH (FORCE)")
}

func quoted(name string) string { return pgx.Identifier{name}.Sanitize() }
