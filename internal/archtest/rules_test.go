package archtest

// The words a pattern may use beside import paths. "./x" is x in this module, and "x/..." is x with all below it.
const (
	std  = "the standard library"
	more = "other modules"
	own  = "the rest of its own unit" // internal/adapters/postgres with all below it, for example
)

// A rule binds the packages that match of and not except. What they import must match may, if there is any, and never
// match never.
type rule struct {
	name   string
	why    string
	of     []string
	except []string
	may    []string
	never  []string
	deep   bool // judges everything that is linked in, not only what the files name
}

var anywhere = []string{"./..."}

// testSupport are the packages that exist for tests.
var testSupport = []string{
	"./internal/domain/domaintest", "./internal/pgtest/...", "./internal/archtest/...", "./internal/e2e/...",
	"./internal/protocol",
}

// rules judge ordinary files; tests may import what they need. Direct imports are what is judged of the standard
// library, since fmt alone links os.
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
		why:  "every implementation of a port runs the conformance suites, so they know the ports alone",
		of:   []string{"./internal/domain/domaintest"},
		may:  []string{std, "./internal/domain"},
	},
	{
		name:  "app",
		why:   "a use case decides; adapters do the I/O, and use cases don't lean on each other",
		of:    []string{"./internal/app/..."},
		may:   []string{std, "./internal/domain", "./internal/app/retry"},
		never: []string{"net/...", "os/...", "database/...", "log/...", "syscall"},
	},
	{
		name:   "app, linked",
		why:    "a use case runs without driver, telemetry or any other module",
		of:     []string{"./internal/domain/...", "./internal/app/..."},
		except: []string{"./internal/domain/domaintest"},
		never:  []string{more},
		deep:   true,
	},
	{
		name:   "driven adapters",
		why:    "an adapter translates for the domain; it knows neither its caller nor its siblings",
		of:     []string{"./internal/adapters/..."},
		except: []string{"./internal/adapters/cli/...", "./internal/adapters/httpapi/...", "./internal/adapters/telemetry/..."},
		may:    []string{std, more, own, "./internal/domain", "./db"},
	},
	{
		name: "telemetry adapter",
		why:  "it observes use cases and decorates ports; it knows no other adapter",
		of:   []string{"./internal/adapters/telemetry/..."},
		may:  []string{std, more, own, "./internal/domain", "./internal/app/..."},
	},
	{
		name: "driving adapters",
		why:  "what calls the use cases gets the driven adapters from cmd, as ports",
		of:   []string{"./internal/adapters/cli/...", "./internal/adapters/httpapi/..."},
		may:  []string{std, more, own, "./internal/domain", "./internal/app/..."},
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
		why:  "SQL has one home; whoever else speaks to the driver bypasses the fence",
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
		why:  "the migrations are files, for plain dbmate too",
		of:   []string{"./db/..."},
		may:  []string{std},
	},
	{
		name: "mockapi",
		why:  "it is the oracle: a mistake it shared with pawl would go unseen",
		of:   []string{"./mockapi/..."},
		may:  []string{std, "./mockapi/..."},
	},
	{
		name: "cmd/mockapi",
		why:  "it only serves mockapi",
		of:   []string{"./cmd/mockapi"},
		may:  []string{std, "./mockapi"},
	},
	{
		name:   "mockapi's users",
		why:    "pawl knows the upstream by HTTP alone",
		of:     anywhere,
		except: append([]string{"./mockapi/...", "./cmd/mockapi"}, testSupport...),
		never:  []string{"./mockapi/...", "./cmd/mockapi"},
		deep:   true,
	},
	{
		name:  "wire",
		why:   "wire writes code and is no part of the program; its one file has the tag wireinject",
		of:    anywhere,
		never: []string{"github.com/google/wire/..."},
		deep:  true,
	},
	{
		name:   "testing",
		why:    "as below; but a library that embeddedpg uses has a test among its ordinary files, and so links it",
		of:     anywhere,
		except: testSupport,
		never:  []string{"testing/..."},
	},
	{
		name:   "test support",
		why:    "what exists for tests has no place in a program",
		of:     anywhere,
		except: testSupport,
		never: append([]string{
			"github.com/testcontainers/...", "github.com/jarcoal/httpmock/...", "go.uber.org/goleak/...",
			"pgregory.net/rapid/...", "github.com/Shopify/toxiproxy/...",
		}, testSupport...),
		deep: true,
	},
}
