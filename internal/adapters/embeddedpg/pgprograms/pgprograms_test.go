//go:build unix

package pgprograms

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestFolders_Order checks that the folder in PATH comes first, then the newest version.
func TestFolders_Order(t *testing.T) {
	t.Setenv("PATH", "")
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	bin := func(version string) string { return filepath.Join(root, "pg-"+version, "bin") }
	globs := []string{bin("*"), filepath.Join(root, "opt", "*", "bin")}
	if dirs := findFolders(globs); len(dirs) > 0 {
		t.Fatalf("got %v in an empty folder, want none", dirs)
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
	if dirs := findFolders(globs); !slices.Equal(dirs, []string{bin("15"), bin("10"), bin("9.6")}) {
		t.Errorf("got %v, want the complete ones, the newest first", dirs)
	}

	path := filepath.Join(root, "path")
	link(t, filepath.Join(bin("10"), "initdb"), filepath.Join(path, "initdb"))
	t.Setenv("PATH", path)
	if dirs := findFolders(globs); !slices.Equal(dirs, []string{bin("10"), bin("15"), bin("9.6")}) {
		t.Errorf("got %v, want the one in PATH first", dirs)
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

func TestUnprivileged_NeverRoot(t *testing.T) {
	account, err := Unprivileged()
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case os.Geteuid() != 0 && account != nil:
		t.Errorf("got uid %d, want nil (this process's own account)", account.Uid)
	case os.Geteuid() == 0 && (account == nil || account.Uid == 0):
		t.Errorf("got %v, want an account other than root", account)
	}
}

func TestAccountOf(t *testing.T) {
	own := uint32(os.Geteuid())
	if account, ok := AccountOf(own); !ok || account.Uid != own {
		t.Errorf("AccountOf(own uid) = %v, %v", account, ok)
	}
	if account, ok := AccountOf(4_123_456_789); ok {
		t.Errorf("got %v for an unknown uid, want not ok", account)
	}
}
