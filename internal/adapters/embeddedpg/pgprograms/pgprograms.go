//go:build unix

// Package pgprograms finds PostgreSQL's server programs on this machine, and an account that can run them.
package pgprograms

import (
	"cmp"
	"errors"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"syscall"
)

// globs returns patterns for the folders to which packages install the server's programs. Most of these folders are not in PATH.
func globs() []string {
	return []string{
		"/usr/lib/postgresql/*/bin",         // Debian, Ubuntu
		"/usr/pgsql-*/bin",                  // Red Hat, from PostgreSQL's own packages
		"/usr/libexec/postgresql*",          // Alpine
		"/usr/local/pgsql/bin",              // built from source
		"/usr/local/opt/postgresql*/bin",    // Homebrew on Intel
		"/opt/homebrew/opt/postgresql*/bin", // Homebrew on Apple silicon
		"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
		"/Applications/Postgres.app/Contents/Versions/*/bin",
		"/usr/local/bin",
	}
}

// Folders returns the folders that contain both initdb and postgres. If there is such a folder in PATH, it is the first, because the
// user has chosen it. The other folders follow, from the newest version to the oldest. If no server is installed, Folders returns
// an empty list. Folders does not check which accounts can run the programs.
func Folders() []string { return findFolders(globs()) }

func findFolders(globs []string) []string {
	var found []string
	for _, glob := range globs {
		dirs, _ := filepath.Glob(glob) // Glob fails only for a malformed pattern
		for _, dir := range dirs {
			found = appendTarget(found, dir)
		}
	}
	slices.SortStableFunc(found, func(a, b string) int { return cmp.Compare(versionOf(b), versionOf(a)) }) // newest first
	if initdb, err := exec.LookPath("initdb"); err == nil {
		if target, err := filepath.EvalSymlinks(initdb); err == nil {
			inPath := appendTarget(nil, filepath.Dir(target))
			found = slices.Concat(inPath, found)
		}
	}
	var distinct []string
	for _, dir := range found {
		if !slices.Contains(distinct, dir) {
			distinct = append(distinct, dir)
		}
	}
	return distinct
}

// appendTarget resolves the symbolic links in dir. If the resulting folder contains both programs, appendTarget appends it to found.
// It resolves links for two reasons. First, findFolders can then find duplicates. Second, the name of a link may contain no version,
// for example if the link leads to the default version of a package manager.
func appendTarget(found []string, dir string) []string {
	target, err := filepath.EvalSymlinks(dir)
	if err != nil || !Complete(target) {
		return found
	}
	return append(found, target)
}

// Complete reports whether a folder contains both initdb and postgres.
func Complete(dir string) bool {
	for _, name := range []string{"initdb", "postgres"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
			return false
		}
	}
	return true
}

// versionOf returns the version of the programs in a folder, which is the last number in the folder's path. If the path contains no
// number, versionOf returns 0.
func versionOf(dir string) float64 {
	numbers := regexp.MustCompile(`\d+(\.\d+)?`).FindAllString(dir, -1)
	if len(numbers) == 0 {
		return 0
	}
	n, _ := strconv.ParseFloat(numbers[len(numbers)-1], 64) // the pattern matches only numbers
	return n
}

// Unprivileged returns an account that PostgreSQL can run as. If this process does not run as root, Unprivileged returns nil, which
// means the account of this process. PostgreSQL refuses to run as root. So if this process runs as root, Unprivileged returns the
// account postgres, or the account nobody if there is no account postgres.
func Unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			if account, ok := credential(u); ok {
				return account, nil
			}
		}
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is no user postgres or nobody to run it as")
}

// AccountOf returns the account of the user with this number. If the system does not know the user, ok is false. initdb refuses to
// run as such a user.
func AccountOf(uid uint32) (account *syscall.Credential, ok bool) {
	u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
	if err != nil {
		return nil, false
	}
	return credential(u)
}

// credential returns the account of a user. ok is false if the user has no numeric ids.
func credential(u *user.User) (account *syscall.Credential, ok bool) {
	uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
	if uidErr != nil || gidErr != nil {
		return nil, false
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, true
}
