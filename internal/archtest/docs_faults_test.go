package archtest

import (
	"io/fs"
	"maps"
	"strings"
	"testing"
	"testing/fstest"
)

// faultlessDocs is a small repository in which no check of the documentation finds a fault. It maps the path of each file to its text.
var faultlessDocs = map[string]string{
	"Makefile": lines("build: ## Build", "\ttrue", "test-e2e:", "\ttrue"),
	"README.md": lines("# It", "",
		"[how](docs/how.md#two-words) [code](docs/architecture.md) [g](docs/guarantees.md) [t](docs/reference/tables.md)"),
	"docs/how.md": lines("# How", "",
		"## Two `words`!", "",
		"Type `make build` and `pawl dlq", "list --limit 3`, with `PAWL_MODE`. [up](../README.md#it)", "", // `pawl dlq list` in two lines
		"```sh",
		"pawl psql --anything",            // a flag of the program psql
		"pawl --mode x run   # --no-flag", // a flag in a comment
		"make build test-e2e",
		"[not](a-link)", // no link, because it is in code
		"```", "",
		"[w](https://elsewhere.example/x)"),
	"docs/architecture.md": lines("# Code", "",
		"`domain.Event.ID`, `domain.Event.Move`, `domain.New`, `domain.Kind`, `internal.file`"),
	"docs/guarantees.md": lines("`TestIt`"),
	"docs/reference/tables.md": lines(
		"## events", "", "| `id` | uuid | its id |", "| `extra` | jsonb | more |", "",
		"## other", "", "| `id` | bigint | its id |"),
	"db/migrations/1.sql": lines("-- migrate:up",
		"CREATE TABLE events (", "    id uuid PRIMARY KEY,", "    CONSTRAINT c CHECK (true)", ");",
		"CREATE TABLE other (", "    id bigint", ");"),
	addColumnFile: lines("-- migrate:up", "ALTER TABLE events ADD COLUMN extra jsonb;",
		"-- migrate:down", "ALTER TABLE events ADD COLUMN gone text;"),
	"internal/domain/event.go": lines("package domain",
		"type Event struct{ ID int }", "func (e *Event) Move() {}", "func New() {}", "const Kind = 1"),
	"internal/domain/event_test.go": lines("package domain", "func TestIt() {}"),
	"examples/crontab":              lines("* * * * * pawl run --mode x"),
	".github/workflows/ci.yml":      lines("- run: make build"),
	"internal/adapters/cli/program.go": lines("package cli",
		"type grammar struct {", "\tMode string `name:\"mode\" setting:\"PAWL_MODE,API_KEY\"`",
		"\tRun run `cmd:\"\"`", "\tPsql run `cmd:\"\"`", "\tDlq dlq `cmd:\"\"`", "}",
		"type dlq struct {", "\tList list `cmd:\"\"`", "}",
		"type list struct {", "\tLimit int `name:\"limit\"`", "}",
		"type run struct{}"),
}

// addColumnFile is the migration in faultlessDocs that adds a column.
const addColumnFile = "db/migrations/2.sql"

// lines returns the lines as one text.
func lines(texts ...string) string { return strings.Join(texts, "\n") + "\n" }

// TestFaultyDocs checks that each check of docChecks can fail. Each case adds one fault to faultlessDocs. The check that the case
// names must find the fault, and all other checks must find nothing.
func TestFaultyDocs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		check    string // the check that must find the fault; empty if there is no fault
		file     string // the file with the fault
		text     string // is added to the file
		replaces bool   // text is not added, but replaces the text of the file
	}{
		{}, // faultlessDocs without a fault
		{check: "links", file: "README.md", text: "[gone](docs/gone.md)"},
		{check: "links", file: "README.md", text: "[gone](docs/how.md#gone)"},
		{check: "links", file: "docs/how.md", text: "[gone](#gone)"},
		{check: "unlinked", file: "docs/alone.md", text: "# Alone\n\n[me](alone.md)"},
		{check: "targets", file: "docs/how.md", text: "`make buidl`"},
		{check: "targets", file: "README.md", text: "```sh\nmake build tset\n```"},
		{check: "targets", file: ".github/workflows/ci.yml", text: "- run: make lint\n"},
		{check: "commands", file: "docs/how.md", text: "`pawl rum`"},
		{check: "commands", file: "docs/how.md", text: "`pawl dlq lost`"},
		{check: "commands", file: "docs/how.md", text: "`pawl run --fast`"},
		{check: "commands", file: "docs/how.md", text: "```sh\ncd x && bin/pawl rum\n```"},
		{check: "commands", file: "examples/crontab", text: "* * * * * /usr/bin/pawl rum\n"},
		{check: "settings", file: "README.md", text: "Set PAWL_MOOD."},
		{check: "settings", file: "examples/env", text: "API_URL=x"},
		{check: "columns", file: "docs/reference/tables.md", text: "| `gone` | text | there is no such column |"},
		{
			check: "columns", file: addColumnFile, replaces: true,
			text: "-- migrate:up\nALTER TABLE events ADD COLUMN extra jsonb,\n    ADD COLUMN unexplained text;\n",
		},
		{check: "identifiers", file: "docs/architecture.md", text: "`domain.Gone`"},
		{check: "identifiers", file: "docs/architecture.md", text: "`domain.Event.Gone`"},
		{check: "tests", file: "docs/guarantees.md", text: "`TestGone`"},
	}
	for _, tt := range tests {
		t.Run(tt.check+" "+tt.text, func(t *testing.T) {
			t.Parallel()
			repo := maps.Clone(faultlessDocs)
			switch {
			case tt.replaces:
				repo[tt.file] = tt.text
			case tt.file != "":
				repo[tt.file] += "\n" + tt.text + "\n"
			}
			for name, check := range docChecks {
				want := 0
				if name == tt.check {
					want = 1
				}
				if faults := check(t, mapFS(repo)); len(faults) != want {
					t.Errorf("check %q: got %d faults, want %d: %q", name, len(faults), want, faults)
				}
			}
		})
	}
	hasCase := map[string]bool{} // by the name of the check
	for _, tt := range tests {
		hasCase[tt.check] = true
	}
	for name := range docChecks {
		if !hasCase[name] {
			t.Errorf("got no case for the check %q, want at least one", name)
		}
	}
}

// mapFS returns a file system with these texts, each by the path of its file.
func mapFS(texts map[string]string) fs.FS {
	files := fstest.MapFS{}
	for name, text := range texts {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return files
}
