package cli_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// TestSummaryJSON_Fields checks the names and the order of the fields of the summary in JSON.
func TestSummaryJSON_Fields(t *testing.T) {
	t.Parallel()
	_, stdout, _ := pawl(t, validEnv(), newEmptyWiring(), "run", "--json")
	decoder := json.NewDecoder(strings.NewReader(stdout))
	if _, err := decoder.Token(); err != nil { // the brace {
		t.Fatal(err)
	}
	var names []string
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name.(string))
		if _, err := decoder.Token(); err != nil { // the value, or the brace of times, whose names come next
			t.Fatal(err)
		}
	}
	want := strings.Fields(`stream pass seq done pages received inserted duplicate parked announced_total requests
		retries rate_limited waited_seconds elapsed_seconds times fetch_seconds decode_seconds store_seconds commit_seconds`)
	if !reflect.DeepEqual(names, want) {
		t.Errorf("got fields %v, want %v", names, want)
	}
}

// TestSummary_FewerThanAnnounced checks that the summary of a complete stream has a note if it has fewer records than the API announced.
func TestSummary_FewerThanAnnounced(t *testing.T) {
	t.Parallel()
	const note = "only 2 of 3 announced records are stored or parked: `pawl verify` explains the difference"
	for _, tt := range []struct {
		lastRecord string
		hasNote    bool
	}{
		{lastRecord: "2", hasNote: true}, // the record 2 is in the first page too
		{lastRecord: "3", hasNote: false},
	} {
		first := domaintest.PageOf("cursor", "1", "2").WithTotal(3)
		last := domaintest.LastPageOf(tt.lastRecord).WithTotal(3)
		source := domaintest.NewScriptedSource(first, last, last) // a run may fetch the last page twice
		code, stdout, stderr := pawl(t, validEnv(), newWiring(source, domaintest.NewMemDatabase()), "run")
		if code != cli.ExitDone || strings.Contains(stdout, note) != tt.hasNote {
			t.Errorf("records 1, 2 and %s: got exit %d and summary %q, want the note: %v; %s", tt.lastRecord, code, stdout, tt.hasNote, stderr)
		}
	}
}

// TestSummary_NoPage checks that a run that fails before its first page prints the reason and no summary, except as JSON.
func TestSummary_NoPage(t *testing.T) {
	t.Parallel()
	refused := func() domaintest.Answer { return domaintest.FailWith(domain.Unauthorized) }
	_, stdout, stderr := pawl(t, validEnv(), newWiring(domaintest.NewScriptedSource(refused()), domaintest.NewMemDatabase()), "run")
	if stdout != "" || !strings.Contains(stderr, "pawl: ") {
		t.Errorf("got summary %q and error %q, want no summary and the reason", stdout, stderr)
	}
	_, stdout, _ = pawl(t, validEnv(), newWiring(domaintest.NewScriptedSource(refused()), domaintest.NewMemDatabase()), "run", "--json")
	if !strings.Contains(stdout, `"pages":0`) {
		t.Errorf("got %q, want the summary as JSON", stdout)
	}
}

// TestSummary_OneRequest checks that the summary counts one request in the singular.
func TestSummary_OneRequest(t *testing.T) {
	t.Parallel()
	source := domaintest.NewScriptedSource(domaintest.LastPageOf("1").WithTotal(1))
	_, stdout, stderr := pawl(t, validEnv(), newWiring(source, domaintest.NewMemDatabase()), "run")
	if !strings.Contains(stdout, "\n1 request, ") {
		t.Errorf("got %q, want 1 request; %s", stdout, stderr)
	}
}
