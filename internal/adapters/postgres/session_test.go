package postgres_test

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/pgtest"
)

// TestAPageThatDoesNotAddUpIsRolledBack is the last line of I5.
func TestAPageThatDoesNotAddUpIsRolledBack(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	store := open(t, databaseURL)
	at, err := store.Claim(t.Context(), domain.StreamID{Source: "s"}, "https://api.example")
	if err != nil {
		t.Fatal(err)
	}
	lost := domain.DecodedPage{From: at.Position, To: at.Position, Received: 1, Receipt: domain.Receipt{FetchedAt: time.Now()}}
	_, err = store.Commit(t.Context(), domain.Batch{At: at, Pages: []domain.DecodedPage{lost}})
	if domain.KindOf(err) != domain.Unknown || !strings.Contains(err.Error(), "I5") {
		t.Errorf("it was answered %v", err)
	}
	if n := queryOne[int](t, databaseURL, "SELECT count(*) FROM pages"); n != 0 {
		t.Error("the page was committed")
	}
}

// TestACommitKeepsItsOwnSettings looks into a commit on a database whose defaults would make it unsafe: not durable,
// without bounds, and with text read as something else than the UTF-8 that is sent.
func TestACommitKeepsItsOwnSettings(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	for _, setting := range []string{"synchronous_commit = off", "lock_timeout = 0", "statement_timeout = 0", "client_encoding = SQL_ASCII"} {
		exec(t, databaseURL, "DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || quote_ident(current_database()) || ' SET "+setting+"'; END $$")
	}
	// A trigger tells what holds inside the transaction that writes an event.
	exec(t, databaseURL, `CREATE TABLE seen (name text, value text);
		CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			INSERT INTO seen SELECT name, current_setting(name) FROM unnest(ARRAY['client_encoding', 'synchronous_commit', 'lock_timeout',
				'statement_timeout', 'idle_in_transaction_session_timeout']) AS name;
			RETURN NEW; END $$;
		CREATE TRIGGER look BEFORE INSERT ON pages FOR EACH ROW EXECUTE FUNCTION look()`)
	store := open(t, pgtest.WithParam(t, databaseURL, "client_encoding", "SQL_ASCII"))
	at, err := store.Claim(t.Context(), domain.StreamID{Source: "s"}, "https://api.example")
	if err != nil {
		t.Fatal(err)
	}
	page := domain.DecodedPage{From: at.Position, To: at.Position, Receipt: domain.Receipt{FetchedAt: time.Now()}}
	if _, err := store.Commit(t.Context(), domain.Batch{At: at, Pages: []domain.DecodedPage{page}}); err != nil {
		t.Fatal(err)
	}
	got := queryOne[string](t, databaseURL, "SELECT string_agg(name || '=' || value, ' ' ORDER BY name) FROM seen")
	const want = "client_encoding=UTF8 idle_in_transaction_session_timeout=1min lock_timeout=15s statement_timeout=1min synchronous_commit=on"
	if got != want {
		t.Errorf("in the transaction: %s, want %s", got, want)
	}
}

// TestBehindAPoolerTheNewestClaimWins: where the server that answers is not the one that was dialled there is no early
// lock, and the epoch alone keeps the older runner out.
func TestBehindAPoolerTheNewestClaimWins(t *testing.T) {
	t.Parallel()
	pooled := through(t, pgtest.Database(t), pool)
	older, newer := open(t, pooled), open(t, pooled)
	stream := domain.StreamID{Source: "s"}
	at, err := older.Claim(t.Context(), stream, "https://api.example")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newer.Claim(t.Context(), stream, "https://api.example"); err != nil {
		t.Fatalf("the newer claim: %v", err)
	}
	page := domain.DecodedPage{From: at.Position, To: at.Position, Receipt: domain.Receipt{FetchedAt: time.Now()}}
	_, err = older.Commit(t.Context(), domain.Batch{At: at, Pages: []domain.DecodedPage{page}})
	if domain.KindOf(err) != domain.Fenced {
		t.Errorf("the older commit: %v", err)
	}
}

// pool does what shows of a pooler: it tells its client a process id that is not the server's.
func pool(client net.Conn, target string) {
	server, err := (&net.Dialer{}).Dial("tcp", target)
	if err != nil {
		_ = client.Close()
		return
	}
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	}()
	defer client.Close() //nolint:errcheck // a test's connection
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		// BackendKeyData: 'K', length 12, process id, secret.
		if at := strings.Index(string(buf[:n]), "K\x00\x00\x00\x0c"); at >= 0 && at+9 <= n {
			buf[at+8] ^= 0xff
		}
		if _, werr := client.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}
