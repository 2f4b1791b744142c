package pgtest_test

import (
	"context"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pawldata/pawl/internal/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// TestDatabase checks that parallel tests get different databases. Each test inserts the same row into a table that must be
// empty.
func TestDatabase(t *testing.T) {
	for range 3 {
		t.Run("parallel", func(t *testing.T) {
			t.Parallel()
			conn := connect(t, pgtest.Database(t))
			if n := count(t, conn, "SELECT count(*) FROM checkpoints"); n != 0 {
				t.Fatalf("got %d checkpoints in a new database, want none", n)
			}
			_, err := conn.Exec(t.Context(), `INSERT INTO checkpoints (stream, source_url, epoch) VALUES ('stream', 'url', 1)`)
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestEmpty(t *testing.T) {
	conn := connect(t, pgtest.Empty(t))
	if n := count(t, conn, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"); n != 0 {
		t.Fatalf("got %d tables in an empty database, want none", n)
	}
	var encoding string
	if err := conn.QueryRow(t.Context(), "SHOW server_encoding").Scan(&encoding); err != nil || encoding != "UTF8" {
		t.Fatalf("got encoding %q, %v; want UTF8", encoding, err)
	}
}

// TestEmpty_DroppedWithConnections checks that the database of a test is dropped even if the test leaves a connection open.
func TestEmpty_DroppedWithConnections(t *testing.T) {
	observer := connect(t, pgtest.Empty(t))
	var name string
	t.Run("leaves a connection open", func(t *testing.T) {
		conn, err := pgx.Connect(t.Context(), pgtest.Empty(t))
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.QueryRow(t.Context(), "SELECT current_database()").Scan(&name); err != nil {
			t.Fatal(err)
		}
	})
	if n := count(t, observer, "SELECT count(*) FROM pg_database WHERE datname = $1", name); n != 0 {
		t.Fatalf("after the test: database %s still exists", name)
	}
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return conn
}

func count(t *testing.T, conn *pgx.Conn, query string, args ...any) int {
	t.Helper()
	var n int
	if err := conn.QueryRow(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func BenchmarkDatabase(b *testing.B) {
	for b.Loop() {
		pgtest.Database(b)
	}
}
