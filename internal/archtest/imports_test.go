package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestImports checks that no package of the module breaks an import rule.
func TestImports(t *testing.T) {
	pkgs := loadPackages(t)
	const minPackages = 5 // fewer packages mean that the go command has not found the module
	if len(pkgs) < minPackages {
		t.Fatalf("got %d packages, want at least %d: %v", len(pkgs), minPackages, pkgs)
	}
	for _, v := range check(pkgs, rules) {
		t.Error(v)
	}
}

// TestWireImports checks that only cmd/pawl imports wire. Only files with the build tag wireinject import it, so the
// packages are loaded with that tag.
func TestWireImports(t *testing.T) {
	const wire = "github.com/google/wire"
	for _, p := range loadPackages(t, "-tags", "wireinject") {
		if slices.Contains(p.Imports, wire) && p.ImportPath != module+"/cmd/pawl" {
			t.Errorf("got an import of wire in %s, want it only in cmd/pawl", p.ImportPath)
		}
	}
}

// loadPackages returns the module's packages as `go list` lists them. flags are additional flags of this command. loadPackages
// ignores compile errors, because other checks report them.
func loadPackages(t *testing.T, flags ...string) []pkg {
	t.Helper()
	// With -e the go command also lists packages that do not compile.
	args := slices.Concat([]string{"list", "-e", "-json=ImportPath,Imports,Deps"}, flags, []string{module + "/..."})
	cmd := exec.CommandContext(t.Context(), "go", args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, stderr.String())
	}
	var pkgs []pkg
	decoder := json.NewDecoder(bytes.NewReader(out))
	for {
		var p pkg
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return pkgs
		}
		if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}
