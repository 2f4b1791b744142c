package archtest

import (
	"io/fs"
	"maps"
	"testing"
	"testing/fstest"
)

// soundDocs is a repository in which every check of the documentation passes.
var soundDocs = map[string]string{
	"Makefile":  "build: ## Build\n\ttrue\ntest-e2e:\n\ttrue\n",
	"README.md": "# It\n\n[how](docs/how.md#two-words) [code](docs/architecture.md) [g](docs/guarantees.md) [t](docs/reference/tables.md)\n",
	"docs/how.md": "# How\n\n## Two `words`!\n\nType `make build` and `pawl dlq\nlist --limit 3`, with `PAWL_MODE`. [up](../README.md#it)\n\n" +
		"```sh\npawl psql --anything\npawl --mode x run   # --no-flag\nmake build test-e2e\n[not](a-link)\n```\n\n[w](https://elsewhere.example/x)\n",
	"docs/architecture.md":             "# Code\n\n`domain.Event.ID`, `domain.Event.Move`, `domain.New`, `domain.Kind`, `internal.file`\n",
	"docs/guarantees.md":               "`TestIt`\n",
	"docs/reference/tables.md":         "## events\n\n| `id` | uuid | its id |\n| `extra` | jsonb | more |\n\n## other\n\n| `id` | bigint | its id |\n",
	"db/migrations/1.sql":              "-- migrate:up\nCREATE TABLE events (\n    id uuid PRIMARY KEY,\n    CONSTRAINT c CHECK (true)\n);\nCREATE TABLE other (\n    id bigint\n);\n",
	"db/migrations/2.sql":              "-- migrate:up\nALTER TABLE events ADD COLUMN extra jsonb;\n-- migrate:down\nALTER TABLE events ADD COLUMN gone text;\n",
	"internal/domain/event.go":         "package domain\ntype Event struct{ ID int }\nfunc (e *Event) Move() {}\nfunc New() {}\nconst Kind = 1\n",
	"internal/domain/event_test.go":    "package domain\nfunc TestIt() {}\n",
	"examples/crontab":                 "* * * * * pawl run --mode x\n",
	".github/workflows/ci.yml":         "- run: make build\n",
	"internal/adapters/cli/program.go": cliSource,
}

const cliSource = "package cli\n" +
	"type grammar struct {\n\tMode string `name:\"mode\" setting:\"PAWL_MODE,API_KEY\"`\n\tRun run `cmd:\"\"`\n\tPsql run `cmd:\"\"`\n\tDlq dlq `cmd:\"\"`\n}\n" +
	"type dlq struct {\n\tList list `cmd:\"\"`\n}\ntype list struct {\n\tLimit int `name:\"limit\"`\n}\ntype run struct{}\n"

// TestPlantedDocsAreFound plants one fault at a time in sound documentation.
func TestPlantedDocsAreFound(t *testing.T) {
	t.Parallel()
	tests := []struct{ check, file, add string }{
		{"", "", ""},
		{"links", "README.md", "[gone](docs/gone.md)"},
		{"links", "README.md", "[gone](docs/how.md#gone)"},
		{"links", "docs/how.md", "[gone](#gone)"},
		{"unlinked", "docs/alone.md", "# Alone\n\n[me](alone.md)"},
		{"targets", "docs/how.md", "`make buidl`"},
		{"targets", "README.md", "```sh\nmake build tset\n```"},
		{"targets", ".github/workflows/ci.yml", "- run: make lint\n"},
		{"commands", "docs/how.md", "`pawl rum`"},
		{"commands", "docs/how.md", "`pawl dlq lost`"},
		{"commands", "docs/how.md", "`pawl run --fast`"},
		{"commands", "docs/how.md", "```sh\ncd x && bin/pawl rum\n```"},
		{"commands", "examples/crontab", "* * * * * /usr/bin/pawl rum\n"},
		{"settings", "README.md", "Set PAWL_MOOD."},
		{"settings", "examples/env", "API_URL=x"},
		{"columns", "docs/reference/tables.md", "| `gone` | text | it is not there |"},
		{"columns", "db/migrations/2.sql", ""}, // replaced below: a column that is not explained
		{"identifiers", "docs/architecture.md", "`domain.Gone`"},
		{"identifiers", "docs/architecture.md", "`domain.Event.Gone`"},
		{"tests", "docs/guarantees.md", "`TestGone`"},
	}
	for _, tt := range tests {
		t.Run(tt.check+" "+tt.add, func(t *testing.T) {
			t.Parallel()
			repo := maps.Clone(soundDocs)
			if tt.file == "db/migrations/2.sql" {
				repo[tt.file] = "-- migrate:up\nALTER TABLE events ADD COLUMN extra jsonb,\n    ADD COLUMN fresh text;\n"
			} else if tt.file != "" {
				repo[tt.file] += "\n" + tt.add + "\n"
			}
			for name, check := range docChecks {
				want := 0
				if name == tt.check {
					want = 1
				}
				if faults := check(t, mapFS(repo)); len(faults) != want {
					t.Errorf("%s: got %d faults, want %d: %q", name, len(faults), want, faults)
				}
			}
		})
	}
	planted := map[string]bool{}
	for _, tt := range tests {
		planted[tt.check] = true
	}
	for name := range docChecks {
		if !planted[name] {
			t.Errorf("no test shows that the check of %s can fail", name)
		}
	}
}

func mapFS(texts map[string]string) fs.FS {
	files := fstest.MapFS{}
	for name, text := range texts {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return files
}
