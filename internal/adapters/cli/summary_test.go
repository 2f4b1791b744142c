package cli_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

func TestSummaryJSON_Fields(t *testing.T) {
	t.Parallel()
	var s cli.Settings
	_, stdout, _ := pawl(t, validEnv(), newWiring(emptySource{}, domaintest.NewMemDatabase(), &s), "run", "--json")
	decoder := json.NewDecoder(strings.NewReader(stdout))
	var names []string
	for depth := 0; ; {
		token, err := decoder.Token()
		if err != nil {
			break
		}
		if name, ok := token.(string); ok && depth == 1 && len(names) < 100 {
			names = append(names, name)
			if _, err := decoder.Token(); err != nil {
				t.Fatal(err)
			}
		}
		if token == json.Delim('{') {
			depth++
		}
	}
	want := strings.Fields(`stream pass seq done pages received inserted duplicate parked announced_total requests
		retries rate_limited waited_seconds elapsed_seconds`)
	if !reflect.DeepEqual(names, want) {
		t.Errorf("got fields %v, want %v", names, want)
	}
}

// TestFewerThanAnnounced checks that the summary of a complete stream says so if it has fewer records than were announced.
func TestFewerThanAnnounced(t *testing.T) {
	t.Parallel()
	const note = "2 of 3 announced records are stored or parked: `pawl verify` says why"
	for second, hasNote := range map[string]bool{"2": true, "3": false} {
		first, last := domaintest.PageOf("a", "1", "2"), domaintest.LastPageOf(second)
		source := domaintest.NewScriptedSource(first.WithTotal(3), last.WithTotal(3), last.WithTotal(3))
		var s cli.Settings
		code, stdout, stderr := pawl(t, validEnv(), newWiring(source, domaintest.NewMemDatabase(), &s), "run")
		if code != cli.ExitDone || strings.Contains(stdout, note) != hasNote {
			t.Errorf("records 1, 2 and %s: exit %d, %s%s", second, code, stdout, stderr)
		}
	}
}
