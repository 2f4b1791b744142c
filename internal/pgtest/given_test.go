package pgtest

import (
	"crypto/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestGivenServer(t *testing.T) {
	t.Setenv("TEST_DATABASE_URL", serverFor(t).url.String())
	srv, err := openGiven(t.Context(), t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	checkServer(t, srv)
}

func TestGivenServerThatIsNone(t *testing.T) {
	for name, given := range map[string]string{
		"unset":          "",
		"key=value":      "host=localhost password=hunter2",
		"malformed":      "postgres://u:hunter2@[::1/db",
		"nobody":         "postgres://u:hunter2@127.0.0.1:1/db",
		"not PostgreSQL": "mysql://u:hunter2@127.0.0.1:1/db",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TEST_DATABASE_URL", given)
			_, err := openGiven(t.Context(), t.Logf)
			if err == nil {
				t.Fatal("a server")
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Fatalf("the error shows the password: %v", err)
			}
		})
	}
}

func TestAbandonedDatabasesAreDropped(t *testing.T) {
	srv := serverFor(t)
	unique := strings.ToLower(rand.Text()) // the server may be shared
	abandoned, foreign := namePrefix+"20200101t000000_"+unique, namePrefix+"own_"+unique
	for _, name := range []string{abandoned, foreign} {
		if err := srv.exec(t.Context(), "CREATE DATABASE "+name); err != nil {
			t.Fatal(err)
		}
	}
	young, err := srv.create(t.Context(), pristine)
	if err != nil {
		t.Fatal(err)
	}

	if err := srv.dropAbandoned(t.Context(), time.Now().Add(-abandonedAfter), t.Logf); err != nil {
		t.Fatal(err)
	}

	left := databases(t, srv)
	if slices.Contains(left, abandoned) || !slices.Contains(left, foreign) || !slices.Contains(left, young) {
		t.Fatalf("left: %v", left)
	}
	for _, name := range []string{foreign, young} {
		if err := srv.drop(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDatabaseURLNamesItsDatabaseOnce(t *testing.T) {
	t.Setenv("TEST_DATABASE_URL", serverFor(t).url.String()+"&dbname=postgres&application_name=x")
	srv, err := openGiven(t.Context(), t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := pgx.ParseConfig(srv.databaseURL("wanted"))
	if err != nil || cfg.Database != "wanted" || cfg.RuntimeParams["application_name"] != "x" {
		t.Fatalf("%+v, %v", cfg, err)
	}
}

// checkServer makes a database in the server and stops it.
func checkServer(t *testing.T, srv *server) {
	t.Helper()
	name, err := srv.create(t.Context(), pristine)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(databases(t, srv), name) {
		t.Errorf("%s is not there", name)
	}
	if err := srv.drop(t.Context(), name); err != nil {
		t.Error(err)
	}
	if err := srv.stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func databases(t *testing.T, srv *server) (names []string) {
	t.Helper()
	err := withConn(t.Context(), srv.url, func(conn *pgx.Conn) error {
		rows, err := conn.Query(t.Context(), "SELECT datname FROM pg_database")
		if err != nil {
			return err
		}
		names, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
