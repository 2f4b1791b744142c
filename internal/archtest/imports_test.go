package archtest

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestImports(t *testing.T) {
	pkgs := load(t)
	if len(pkgs) < 5 {
		t.Fatalf("only %d packages found: %v", len(pkgs), pkgs)
	}
	for _, v := range check(pkgs, rules) {
		t.Error(v)
	}
}

// The build with wireinject is the one that imports wire.
func TestWireIsInOnePackage(t *testing.T) {
	const wire = "github.com/google/wire"
	for _, p := range load(t, "-tags", "wireinject") {
		if slices.Contains(p.Imports, wire) && p.ImportPath != module+"/cmd/pawl" {
			t.Errorf("%s imports wire", p.ImportPath)
		}
	}
}

// load reads the module's packages as the go command sees them. What does not compile is for others to report.
func load(t *testing.T, flags ...string) []pkg {
	t.Helper()
	args := slices.Concat([]string{"list", "-e", "-json=ImportPath,Imports,Deps"}, flags, []string{module + "/..."})
	cmd := exec.CommandContext(t.Context(), "go", args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, stderr.String())
	}
	var pkgs []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return pkgs
		}
		if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}
