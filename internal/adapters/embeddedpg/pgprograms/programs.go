//go:build unix

// Package pgprograms finds PostgreSQL's server programs on this machine and an account that they agree to run under.
package pgprograms

import (
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
)

// globs are the folders where packages put the server's programs without adding them to PATH.
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

// Folders are those that hold both initdb and postgres: the one in PATH, which somebody chose, then the others from the
// newest version on. There are none where no server is installed. Whether an account may run them is not looked at.
func Folders() []string { return find(globs()) }

func find(globs []string) []string {
	var found []string
	for _, glob := range globs {
		dirs, _ := filepath.Glob(glob) // fails for a malformed pattern only
		for _, dir := range dirs {
			found = appendTarget(found, dir)
		}
	}
	slices.SortStableFunc(found, func(a, b string) int { return cmp.Compare(version(b), version(a)) })
	if initdb, err := exec.LookPath("initdb"); err == nil {
		if target, err := filepath.EvalSymlinks(initdb); err == nil {
			found = slices.Concat(appendTarget(nil, filepath.Dir(target)), found)
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

// appendTarget follows links first, so that no folder counts twice and the path names the version: package managers
// link the one they prefer under a name without any.
func appendTarget(found []string, dir string) []string {
	target, err := filepath.EvalSymlinks(dir)
	if err != nil || !Complete(target) {
		return found
	}
	return append(found, target)
}

// Complete reports whether a folder holds both initdb and postgres.
func Complete(dir string) bool {
	for _, name := range []string{"initdb", "postgres"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
			return false
		}
	}
	return true
}

// version is the last number in a folder's path, 0 if there is none.
func version(dir string) float64 {
	numbers := regexp.MustCompile(`\d+(\.\d+)?`).FindAllString(dir, -1)
	if len(numbers) == 0 {
		return 0
	}
	n, _ := strconv.ParseFloat(numbers[len(numbers)-1], 64) // the pattern lets nothing else pass
	return n
}
