package embeddedpg

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// TestOpen_PostgresVariables checks that environment variables for another server disturb neither Open nor the connections to its URL.
func TestOpen_PostgresVariables(t *testing.T) {
	for name, value := range map[string]string{
		"PGSERVICE": "nowhere", "PGOPTIONS": "-c search_path=nowhere", "PGSSLROOTCERT": "/nowhere", "PGCONNECT_TIMEOUT": "soon",
		"PGTARGETSESSIONATTRS": "standby", "PGMINPROTOCOLVERSION": "9", "PGREQUIREAUTH": "none", "PGCHANNELBINDING": "require",
		"PGHOST": "203.0.113.1", "PGPORT": "1", "PGAPPNAME": "other", "PGSSLCERTMODE": "",
	} {
		t.Setenv(name, value)
	}
	srv := testConfig(t).mustOpen(t, makePublicTempDir(t))
	if n := mustQuery(t, srv.URL(), "SELECT count(*) FROM pg_settings WHERE name = 'search_path' AND source = 'client'"); n != 0 {
		t.Error("got the search_path of PGOPTIONS, want the server's own")
	}
}

// TestIsPermanent_URL checks that an URL that cannot be parsed is a permanent error: a wait would not change it.
func TestIsPermanent_URL(t *testing.T) {
	_, err := pgx.ParseConfig("postgres://127.0.0.1:99999/pawl")
	if _, ok := errors.AsType[*pgconn.ParseConfigError](err); !ok || !isPermanent(err) {
		t.Errorf("got isPermanent false for %v, want true", err)
	}
}
