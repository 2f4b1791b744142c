//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/pawldata/pawl/internal/pgtest"
)

// bin is the folder of the programs under test, with the race detector; below it, in plain, they are as users have them.
var bin string //nolint:gochecknoglobals // TestMain has no other way to hand it to the tests

func TestMain(m *testing.M) {
	os.Exit(buildAndTest(m))
}

func buildAndTest(m *testing.M) int {
	dir, err := os.MkdirTemp("", "pawl-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	bin = dir
	for _, args := range [][]string{{"-race", "-o", dir + "/"}, {"-o", filepath.Join(dir, plain) + "/"}} {
		build := exec.CommandContext(context.Background(), "go", slices.Concat([]string{"build"}, args, []string{"./cmd/..."})...)
		build.Dir = filepath.Join("..", "..")
		build.Stdout, build.Stderr = os.Stderr, os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "build the programs:", err)
			return 1
		}
	}
	if isWanted("TestCompose") {
		go compose()
	}
	return pgtest.Main(m)
}

// plain is for tests of a hundred thousand records, whose minutes the race detector would make ten.
const plain = "plain"
