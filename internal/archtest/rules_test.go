package archtest

// A pattern is an import path or one of these constants. In a path, "./x" means x in this module, and "x/..." means x and every
// package below x.
const (
	stdlib       = "the standard library"
	otherModules = "other modules"
	ownUnit      = "the unit of the importer" // the folder of the importer's adapter or use case, with every package below it
)

// A rule says what some packages may import. It applies to each package that matches a pattern in packages, unless the package
// also matches a pattern in except.
type rule struct {
	name     string
	why      string
	packages []string
	except   []string
	may      []string // each import must match one of these patterns; nil means that any import may be used
	never    []string // no import may match one of these patterns
	indirect bool     // the rule applies to all packages that are linked with the package, and not only to its own imports
}

// allPackages matches every package of the module.
var allPackages = []string{"./..."}

// testSupport lists the packages that only tests may use.
var testSupport = []string{
	"./internal/domain/domaintest", "./internal/pgtest/...", "./internal/archtest/...", "./internal/e2e/...", "./internal/bench",
	"./internal/protocol",
}

// rules lists the import rules. They do not apply to test files, which may import what they need. Rules about the standard library
// do not apply to indirect imports, because even fmt links os.
var rules = []rule{
	{
		name:     "domain",
		why:      "the domain is plain values and does no I/O",
		packages: []string{"./internal/domain/..."},
		except:   []string{"./internal/domain/domaintest"},
		may: []string{
			"cmp", "context", "crypto/sha256", "encoding/binary", "encoding/hex", "errors", "fmt", "iter", "maps", "math", "slices", "strconv",
			"strings", "time",
		},
	},
	{
		name:     "domaintest",
		why:      "every implementation of a port runs the conformance suites, so they depend on the ports only",
		packages: []string{"./internal/domain/domaintest"},
		may:      []string{stdlib, "./internal/domain"},
	},
	{
		name:     "app",
		why:      "a use case makes decisions and leaves the I/O to adapters; use cases do not depend on each other",
		packages: []string{"./internal/app/..."},
		may:      []string{stdlib, "./internal/domain", "./internal/app/retry"},
		never:    []string{"net/...", "os/...", "database/...", "log/...", "syscall"},
	},
	{
		name:     "domain and app, indirect imports",
		why:      "a use case needs no database driver, no telemetry and no other module",
		packages: []string{"./internal/domain/...", "./internal/app/..."},
		except:   []string{"./internal/domain/domaintest"},
		never:    []string{otherModules},
		indirect: true,
	},
	{
		name:     "outgoing adapters",
		why:      "an outgoing adapter implements a port of the domain; it does not depend on its caller or on other adapters",
		packages: []string{"./internal/adapters/..."},
		except:   []string{"./internal/adapters/cli/...", "./internal/adapters/httpapi/...", "./internal/adapters/telemetry/..."},
		may:      []string{stdlib, otherModules, ownUnit, "./internal/domain", "./db"},
	},
	{
		name:     "telemetry adapter",
		why:      "the telemetry adapter observes use cases and wraps ports; it does not depend on other adapters",
		packages: []string{"./internal/adapters/telemetry/..."},
		may:      []string{stdlib, otherModules, ownUnit, "./internal/domain", "./internal/app/..."},
	},
	{
		name:     "incoming adapters",
		why:      "an incoming adapter calls use cases; cmd gives it the outgoing adapters as ports",
		packages: []string{"./internal/adapters/cli/...", "./internal/adapters/httpapi/..."},
		may:      []string{stdlib, otherModules, ownUnit, "./internal/domain", "./internal/app/..."},
	},
	{
		name:     "dbsqlc",
		why:      "only the postgres adapter may use its generated SQL code",
		packages: allPackages,
		except:   []string{"./internal/adapters/postgres/..."},
		never:    []string{"./internal/adapters/postgres/internal/..."},
	},
	{
		name:     "database driver",
		why:      "only the postgres adapter writes events; other code with a database driver could bypass the fence",
		packages: allPackages,
		except: []string{
			"./internal/adapters/postgres/...", "./internal/adapters/embeddedpg/...", "./internal/adapters/telemetry/...",
			"./internal/pgtest/...", "./internal/bench", "./cmd/pawl",
		},
		never: []string{"github.com/jackc/pgx/v5/...", "github.com/amacneil/dbmate/v2/...", "database/sql/..."},
	},
	{
		name:     "OpenTelemetry's users",
		why:      "spans and metrics wrap ports, so that they can be removed without a change of the code that they measure",
		packages: allPackages,
		except:   []string{"./internal/adapters/telemetry/...", "./cmd/pawl"},
		never:    []string{"go.opentelemetry.io/...", "github.com/exaring/otelpgx/..."},
	},
	{
		name:     "db",
		why:      "the migrations are plain files, so that the program dbmate can read them too",
		packages: []string{"./db/..."},
		may:      []string{stdlib},
	},
	{
		name:     "mockapi",
		why:      "it computes the expected results of tests; if it shared code with pawl, the tests would not find a mistake in this code",
		packages: []string{"./mockapi/..."},
		may:      []string{stdlib, "./mockapi/..."},
	},
	{
		name:     "cmd/mockapi",
		why:      "the command only starts a server with mockapi",
		packages: []string{"./cmd/mockapi"},
		may:      []string{stdlib, "./mockapi"},
	},
	{
		name:     "mockapi's users",
		why:      "pawl must use the API only by HTTP; its program also serves the mock, for pawl demo",
		packages: allPackages,
		except:   append([]string{"./mockapi/...", "./cmd/mockapi", "./cmd/pawl"}, testSupport...),
		never:    []string{"./mockapi/...", "./cmd/mockapi"},
		indirect: true,
	},
	{
		name:     "wire",
		why:      "wire only generates code; the one file that imports it has the build tag wireinject and is not part of the program",
		packages: allPackages,
		never:    []string{"github.com/google/wire/..."},
		indirect: true,
	},
	{
		name:     "testing",
		why:      "code that exists for tests must not be part of a program",
		packages: allPackages,
		except:   testSupport,
		never:    []string{"testing/..."}, // only direct imports, because a library that embeddedpg uses imports testing
	},
	{
		name:     "test support",
		why:      "code that exists for tests must not be part of a program",
		packages: allPackages,
		except:   testSupport,
		never: append([]string{
			"github.com/testcontainers/...", "github.com/jarcoal/httpmock/...", "go.uber.org/goleak/...",
			"pgregory.net/rapid/...", "github.com/Shopify/toxiproxy/...",
		}, testSupport...),
		indirect: true,
	},
}
