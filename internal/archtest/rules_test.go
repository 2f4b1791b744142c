package archtest

// The words that a pattern can be instead of an import path. In a path, "./x" is x in this module, and "x/..." is x and
// every package below it.
const (
	stdlib       = "the standard library"
	otherModules = "other modules"
	ownUnit      = "the rest of its own unit" // for example internal/adapters/postgres and every package below it
)

// A rule binds the packages that match of and do not match except. Their imports must match may, unless may is nil, and
// must not match never.
type rule struct {
	name   string
	why    string
	of     []string
	except []string
	may    []string
	never  []string
	deep   bool // check everything that is linked in, not only what the files name
}

var anywhere = []string{"./..."}

// testSupport lists the packages that exist for tests.
var testSupport = []string{
	"./internal/domain/domaintest", "./internal/pgtest/...", "./internal/archtest/...", "./internal/e2e/...",
	"./internal/protocol",
}

// rules lists the import rules. They bind ordinary files; tests may import what they need. Rules about the standard library
// check direct imports only, since already fmt links os.
var rules = []rule{
	{
		name:   "domain",
		why:    "the domain is plain values and does no I/O",
		of:     []string{"./internal/domain/..."},
		except: []string{"./internal/domain/domaintest"},
		may: []string{
			"cmp", "context", "crypto/sha256", "encoding/hex", "errors", "fmt", "iter", "maps", "math", "slices", "strconv", "strings", "time",
		},
	},
	{
		name: "domaintest",
		why:  "every implementation of a port runs the conformance suites, so they depend on the ports only",
		of:   []string{"./internal/domain/domaintest"},
		may:  []string{stdlib, "./internal/domain"},
	},
	{
		name:  "app",
		why:   "a use case decides; adapters do the I/O, and use cases do not depend on each other",
		of:    []string{"./internal/app/..."},
		may:   []string{stdlib, "./internal/domain", "./internal/app/retry"},
		never: []string{"net/...", "os/...", "database/...", "log/...", "syscall"},
	},
	{
		name:   "app, linked",
		why:    "a use case runs without driver, telemetry or any other module",
		of:     []string{"./internal/domain/...", "./internal/app/..."},
		except: []string{"./internal/domain/domaintest"},
		never:  []string{otherModules},
		deep:   true,
	},
	{
		name:   "driven adapters",
		why:    "an adapter translates for the domain; it depends neither on its caller nor on other adapters",
		of:     []string{"./internal/adapters/..."},
		except: []string{"./internal/adapters/cli/...", "./internal/adapters/httpapi/...", "./internal/adapters/telemetry/..."},
		may:    []string{stdlib, otherModules, ownUnit, "./internal/domain", "./db"},
	},
	{
		name: "telemetry adapter",
		why:  "it observes use cases and decorates ports; it depends on no other adapter",
		of:   []string{"./internal/adapters/telemetry/..."},
		may:  []string{stdlib, otherModules, ownUnit, "./internal/domain", "./internal/app/..."},
	},
	{
		name: "driving adapters",
		why:  "an adapter that calls use cases gets the driven adapters from cmd, as ports",
		of:   []string{"./internal/adapters/cli/...", "./internal/adapters/httpapi/..."},
		may:  []string{stdlib, otherModules, ownUnit, "./internal/domain", "./internal/app/..."},
	},
	{
		name:   "dbsqlc",
		why:    "generated SQL code is a detail of its adapter",
		of:     anywhere,
		except: []string{"./internal/adapters/postgres/..."},
		never:  []string{"./internal/adapters/postgres/internal/..."},
	},
	{
		name: "database driver",
		why:  "only the postgres adapter runs SQL; other code that uses the driver would bypass the fence",
		of:   anywhere,
		except: []string{
			"./internal/adapters/postgres/...", "./internal/adapters/embeddedpg/...", "./internal/adapters/telemetry/...",
			"./internal/pgtest/...", "./cmd/pawl",
		},
		never: []string{"github.com/jackc/pgx/v5/...", "github.com/amacneil/dbmate/v2/...", "database/sql/..."},
	},
	{
		name:   "telemetry",
		why:    "spans and metrics wrap around ports, so that they can be deleted without touching what they measure",
		of:     anywhere,
		except: []string{"./internal/adapters/telemetry/...", "./cmd/pawl"},
		never:  []string{"go.opentelemetry.io/...", "github.com/exaring/otelpgx/..."},
	},
	{
		name: "db",
		why:  "the migrations are files, which plain dbmate can read too",
		of:   []string{"./db/..."},
		may:  []string{stdlib},
	},
	{
		name: "mockapi",
		why:  "it computes the expected result of the tests: a mistake that it shares with pawl would go unseen",
		of:   []string{"./mockapi/..."},
		may:  []string{stdlib, "./mockapi/..."},
	},
	{
		name: "cmd/mockapi",
		why:  "it only serves mockapi",
		of:   []string{"./cmd/mockapi"},
		may:  []string{stdlib, "./mockapi"},
	},
	{
		name:   "mockapi's users",
		why:    "pawl reaches the API by HTTP only",
		of:     anywhere,
		except: append([]string{"./mockapi/...", "./cmd/mockapi"}, testSupport...),
		never:  []string{"./mockapi/...", "./cmd/mockapi"},
		deep:   true,
	},
	{
		name:  "wire",
		why:   "wire generates code and is not part of the program; its one file has the tag wireinject",
		of:    anywhere,
		never: []string{"github.com/google/wire/..."},
		deep:  true,
	},
	{
		name:   "testing",
		why:    "the same reason as test support; not deep, since a library that embeddedpg uses links testing from an ordinary file",
		of:     anywhere,
		except: testSupport,
		never:  []string{"testing/..."},
	},
	{
		name:   "test support",
		why:    "code that exists for tests must not be part of a program",
		of:     anywhere,
		except: testSupport,
		never: append([]string{
			"github.com/testcontainers/...", "github.com/jarcoal/httpmock/...", "go.uber.org/goleak/...",
			"pgregory.net/rapid/...", "github.com/Shopify/toxiproxy/...",
		}, testSupport...),
		deep: true,
	},
}
