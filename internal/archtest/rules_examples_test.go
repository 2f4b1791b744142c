package archtest

import (
	"slices"
	"strings"
	"testing"
)

// forbiddenExamples has examples of imports that the rules must forbid, by the name of the rule. In each example the first package
// imports the second. Every rule has at least one example.
var forbiddenExamples = map[string][]struct{ importer, imported string }{
	"domain": {
		{"./internal/domain", "os"},
		{"./internal/domain", "net/http"},
		{"./internal/domain", "./internal/app/retry"},
		{"./internal/domain", "github.com/google/uuid"},
	},
	"domaintest": {
		{"./internal/domain/domaintest", "./internal/adapters/postgres"},
		{"./internal/domain/domaintest", "pgregory.net/rapid"},
	},
	"app": {
		{"./internal/app/ingest", "net/http"},
		{"./internal/app/ingest", "os"},
		{"./internal/app/ingest", "os/exec"},
		{"./internal/app/ingest", "database/sql"},
		{"./internal/app/ingest", "log/slog"},
		{"./internal/app/replay", "./internal/app/ingest"},
		{"./internal/app/retry", "./internal/app/ingest"},
		{"./internal/app/status", "./internal/adapters/postgres"},
		{"./internal/app/status", "./db"},
		{"./internal/app/status", "github.com/jackc/pgx/v5"},
	},
	"domain and app, indirect imports": {
		{"./internal/domain", "golang.org/x/text/unicode/norm"},
		{"./internal/app/ingest", "go.opentelemetry.io/otel/trace"},
	},
	// pawl calls the outside through its outgoing adapters.
	"outgoing adapters": {
		{"./internal/adapters/datasync", "./internal/app/retry"},
		{"./internal/adapters/datasync", "./internal/adapters/postgres"},
		{"./internal/adapters/postgres", "./internal/adapters/telemetry"},
		{"./internal/adapters/postgres/internal/dbsqlc", "./internal/app/ingest"},
		{"./internal/adapters/a_new_one", "./internal/adapters/cli"},
	},
	// Users and other programs call pawl through its incoming adapters.
	"incoming adapters": {
		{"./internal/adapters/cli", "./internal/adapters/postgres"},
		{"./internal/adapters/httpapi", "./internal/adapters/cli"},
		{"./internal/adapters/httpapi", "./db"},
	},
	"dbsqlc": {
		{"./cmd/pawl", "./internal/adapters/postgres/internal/dbsqlc"},
	},
	"database driver": {
		{"./internal/adapters/datasync", "github.com/jackc/pgx/v5/pgxpool"},
		{"./internal/adapters/cli", "database/sql"},
		{"./cmd/mockapi", "github.com/amacneil/dbmate/v2/pkg/dbmate"},
	},
	"telemetry adapter": {
		{"./internal/adapters/telemetry", "./internal/adapters/postgres"},
	},
	"OpenTelemetry's users": {
		{"./internal/adapters/postgres", "github.com/exaring/otelpgx"},
		{"./internal/adapters/datasync", "go.opentelemetry.io/otel"},
	},
	"db": {
		{"./db", "./internal/domain"},
	},
	"mockapi": {
		{"./mockapi", "./internal/domain"},
		{"./mockapi", "golang.org/x/time/rate"},
	},
	"cmd/mockapi": {
		{"./cmd/mockapi", "./internal/adapters/cli"},
		{"./cmd/mockapi", "github.com/alecthomas/kong"},
	},
	"mockapi's users": {
		{"./internal/adapters/cli", "./mockapi"},
		{"./internal/adapters/datasync", "./mockapi"},
	},
	"wire": {
		{"./cmd/pawl", "github.com/google/wire"},
	},
	"testing": {
		{"./cmd/pawl", "testing"},
		{"./internal/app/ingest", "testing/iotest"},
	},
	"test support": {
		{"./cmd/pawl", "./internal/domain/domaintest"},
		{"./internal/adapters/postgres", "./internal/pgtest"},
		{"./internal/adapters/postgres", "github.com/testcontainers/testcontainers-go/modules/postgres"},
		{"./internal/adapters/datasync", "github.com/jarcoal/httpmock"},
	},
}

// TestForbiddenExamples checks that each rule can fail: it must forbid all its examples. Each rule must also have a reason.
func TestForbiddenExamples(t *testing.T) {
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			if len(forbiddenExamples[r.name]) == 0 {
				t.Fatal("got no example for this rule, want at least one")
			}
			if r.why == "" {
				t.Error("got no reason for this rule, want one")
			}
			for _, example := range forbiddenExamples[r.name] {
				p := newDirectImport(example.importer, example.imported)
				if r.indirect {
					p = newIndirectImport(example.importer, example.imported)
				}
				if !slices.Contains(brokenRules(p), r.name) {
					t.Errorf("got no violation for the import of %s in %s, want one", example.imported, example.importer)
				}
			}
		})
	}
	if len(forbiddenExamples) != len(rules) {
		t.Errorf("got examples for %d rules, want %d", len(forbiddenExamples), len(rules))
	}
}

// TestAllowedImports checks that no rule forbids the imports that the architecture needs, whether they are direct or indirect. In each
// case the first package imports the second.
func TestAllowedImports(t *testing.T) {
	for _, tt := range []struct{ importer, imported string }{
		{"./internal/domain", "strings"},
		{"./internal/domain/domaintest", "testing"},
		{"./internal/app/ingest", "./internal/app/retry"},
		{"./internal/adapters/postgres", "./internal/adapters/postgres/internal/dbsqlc"},
		{"./internal/adapters/postgres/internal/dbsqlc", "github.com/jackc/pgx/v5"},
		{"./internal/adapters/postgres", "./db"},
		{"./internal/adapters/cli", "github.com/alecthomas/kong"},
		{"./internal/adapters/cli", "./internal/app/ingest"},
		{"./internal/pgtest", "./internal/adapters/postgres"},
		{"./internal/pgtest", "github.com/testcontainers/testcontainers-go"},
		{"./cmd/pawl", "./internal/adapters/datasync"},
		{"./cmd/mockapi", "./mockapi"},
	} {
		direct, indirect := newDirectImport(tt.importer, tt.imported), newIndirectImport(tt.importer, tt.imported)
		names := slices.Concat(brokenRules(direct), brokenRules(indirect))
		if len(names) > 0 {
			t.Errorf("import of %s in %s: got violations of the rules %q, want none", tt.imported, tt.importer, names)
		}
	}
}

// newDirectImport returns a package whose files import another one.
func newDirectImport(importer, imported string) pkg {
	p := newIndirectImport(importer, imported)
	p.Imports = p.Deps
	return p
}

// newIndirectImport returns a package that is linked with another one, but whose files do not import it.
func newIndirectImport(importer, imported string) pkg {
	return pkg{ImportPath: expandPath(importer), Deps: []string{expandPath(imported)}}
}

// brokenRules returns the names of the rules that forbid an import of p.
func brokenRules(p pkg) []string {
	var names []string
	for _, v := range check([]pkg{p}, rules) {
		names = append(names, v.rule)
	}
	return names
}

// expandPath replaces a dot at the beginning of path by the path of the module.
func expandPath(path string) string {
	if rest, ok := strings.CutPrefix(path, "."); ok {
		return module + rest
	}
	return path
}
