package embeddedpg

import (
	"os"
	"strings"
)

// unsetPostgresVariables removes all variables with a name like PGSERVICE from the environment of this process. pgx.ParseConfig reads them
// in addition to the URL, and a URL cannot replace all of them. They are meant for another server: the URL of this one is complete.
func unsetPostgresVariables() {
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "PG") {
			_ = os.Unsetenv(name) // it fails only for a name that is not valid
		}
	}
}
