package postgres_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/pgtest"
)

// TestACheckpointWaitsForADoubtfulTransaction is I4: a COMMIT that was not answered may still be under way, and only what
// it leaves tells whether it happened. Another session does to the checkpoint's row what such a commit does.
func TestACheckpointWaitsForADoubtfulTransaction(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		end string
		seq int64
	}{
		"that commits":    {"COMMIT", 1},
		"that rolls back": {"ROLLBACK", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			databaseURL := pgtest.Database(t)
			store := open(t, pgtest.WithParam(t, databaseURL, "application_name", "reader"))
			at, err := store.Claim(t.Context(), domain.StreamID{Source: "s"}, "https://api.example")
			if err != nil {
				t.Fatal(err)
			}
			doubtful, err := pgx.Connect(t.Context(), databaseURL)
			if err != nil {
				t.Fatal(err)
			}
			defer doubtful.Close(t.Context()) //nolint:errcheck // a test's connection
			if _, err := doubtful.Exec(t.Context(), "BEGIN; UPDATE checkpoints SET seq = 1"); err != nil {
				t.Fatal(err)
			}
			type answer struct {
				at  domain.Checkpoint
				err error
			}
			read := make(chan answer, 1)
			go func() {
				durable, err := store.Checkpoint(t.Context(), at.Stream)
				read <- answer{durable, err}
			}()
			const waits = "SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'reader' AND datname = current_database() AND wait_event_type = 'Lock'"
			for !queryOne[bool](t, databaseURL, waits) {
				select {
				case early := <-read:
					t.Fatalf("it did not wait: %+v, %v", early.at, early.err)
				default:
				}
			}
			if _, err := doubtful.Exec(t.Context(), tt.end); err != nil {
				t.Fatal(err)
			}
			if got := <-read; got.err != nil || got.at.Seq != tt.seq || got.at.Epoch != at.Epoch {
				t.Errorf("afterwards it is %+v, %v, want seq %d", got.at, got.err, tt.seq)
			}
		})
	}
}
