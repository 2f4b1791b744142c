//go:build unix

package pgprograms

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestFolders_Order checks that findFolders returns the folder in PATH first, and then the other folders from the newest version to
// the oldest. findFolders must omit a folder in which a program is missing, and must return each folder only once.
func TestFolders_Order(t *testing.T) {
	t.Setenv("PATH", "")
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	binDir := func(version string) string { return filepath.Join(root, "pg-"+version, "bin") }
	globs := []string{binDir("*"), filepath.Join(root, "opt", "*", "bin")}
	if dirs := findFolders(globs); len(dirs) > 0 {
		t.Fatalf("without programs: got %v, want no folders", dirs)
	}
	for version, programs := range map[string][]string{
		"9.6": {"initdb", "postgres"},
		"10":  {"initdb", "postgres"},
		"15":  {"initdb", "postgres"},
		"17":  {"initdb"}, // postgres is missing
	} {
		writePrograms(t, binDir(version), programs...)
	}
	makeLink(t, filepath.Join(root, "opt", "postgresql"), filepath.Join(root, "pg-15"))
	want := []string{binDir("15"), binDir("10"), binDir("9.6")}
	if dirs := findFolders(globs); !slices.Equal(dirs, want) {
		t.Errorf("nothing in PATH: got %v, want %v", dirs, want)
	}

	path := filepath.Join(root, "path")
	makeLink(t, filepath.Join(path, "initdb"), filepath.Join(binDir("10"), "initdb"))
	t.Setenv("PATH", path)
	want = []string{binDir("10"), binDir("15"), binDir("9.6")}
	if dirs := findFolders(globs); !slices.Equal(dirs, want) {
		t.Errorf("version 10 in PATH: got %v, want %v", dirs, want)
	}
}

// writePrograms writes empty programs with these names to dir.
func writePrograms(t *testing.T, dir string, programs ...string) {
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

// makeLink makes the symbolic link name, which points to target.
func makeLink(t *testing.T, name, target string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, name); err != nil {
		t.Fatal(err)
	}
}

// TestUnprivileged_NeverRoot checks that Unprivileged returns an account other than root if this process runs as root, and nil
// otherwise.
func TestUnprivileged_NeverRoot(t *testing.T) {
	account, err := Unprivileged()
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case os.Geteuid() != 0 && account != nil:
		t.Errorf("got the account of user %d, want nil (this process's own account)", account.Uid)
	case os.Geteuid() == 0 && (account == nil || account.Uid == 0):
		t.Errorf("got %v, want an account other than root", account)
	}
}

// TestAccountOf checks the result of AccountOf for the user of this process and for a user that does not exist.
func TestAccountOf(t *testing.T) {
	ownUID := uint32(os.Geteuid())
	if account, ok := AccountOf(ownUID); !ok || account.Uid != ownUID {
		t.Errorf("own user: got %v, %v, want an account of user %d", account, ok, ownUID)
	}
	const unknownUID = 4_123_456_789
	if account, ok := AccountOf(unknownUID); ok {
		t.Errorf("unknown user: got %v, want no account", account)
	}
}
