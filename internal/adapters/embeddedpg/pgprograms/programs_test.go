//go:build unix

package pgprograms

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestFoldersFromThePathThenTheNewest(t *testing.T) {
	t.Setenv("PATH", "")
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	bin := func(version string) string { return filepath.Join(root, "pg-"+version, "bin") }
	globs := []string{bin("*"), filepath.Join(root, "opt", "*", "bin")}
	if dirs := find(globs); len(dirs) > 0 {
		t.Fatalf("found %v in an empty folder", dirs)
	}
	for version, programs := range map[string][]string{
		"9.6": {"initdb", "postgres"},
		"10":  {"initdb", "postgres"},
		"15":  {"initdb", "postgres"},
		"17":  {"initdb"},
	} {
		install(t, bin(version), programs...)
	}
	link(t, filepath.Join(root, "pg-15"), filepath.Join(root, "opt", "postgresql"))
	if dirs := find(globs); !slices.Equal(dirs, []string{bin("15"), bin("10"), bin("9.6")}) {
		t.Errorf("found %v, not the complete ones from the newest on", dirs)
	}

	path := filepath.Join(root, "path")
	link(t, filepath.Join(bin("10"), "initdb"), filepath.Join(path, "initdb"))
	t.Setenv("PATH", path)
	if dirs := find(globs); !slices.Equal(dirs, []string{bin("10"), bin("15"), bin("9.6")}) {
		t.Errorf("found %v, not the one in PATH first", dirs)
	}
}

func install(t *testing.T, dir string, programs ...string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, program := range programs {
		if err := os.WriteFile(filepath.Join(dir, program), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func link(t *testing.T, target, name string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, name); err != nil {
		t.Fatal(err)
	}
}
