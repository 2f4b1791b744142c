package embeddedpg

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestOnlyTheProgramsOfTheDatasVersionWillDo(t *testing.T) {
	o, dir := testSetup(t), passable(t)
	first := o.mustOpen(t, dir)
	version, err := first.home.inspect(t.Context(), first.Bin())
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, first)
	newer := fakePrograms(t, "99.1")

	o.folders = func() []string { return []string{newer, first.Bin()} }
	second := o.mustOpen(t, dir)
	if second.Bin() != first.Bin() {
		t.Errorf("runs %s", second.Bin())
	}
	mustClose(t, second)

	o.folders = func() []string { return []string{newer} }
	_, err = o.open(t.Context(), dir, func(string) {})
	checkInvalid(t, err, "PostgreSQL "+version.major()+"'s")
	checkInvalid(t, err, "99.1")
	checkInvalid(t, err, "install PostgreSQL "+version.major())
	if _, err := os.Stat(filepath.Join(dir, homeName, versionFile)); err != nil {
		t.Error(err)
	}
}

func TestMajor(t *testing.T) {
	for version, want := range map[string]string{"9.6.24": "9.6", "10.23": "10", "15.18": "15", "18": "18"} {
		if major := (programs{version: version}).major(); major != want {
			t.Errorf("%s: %s", version, major)
		}
	}
}

// fakePrograms only know their version.
func fakePrograms(t *testing.T, version string) string {
	t.Helper()
	dir := passable(t)
	for _, name := range []string{"initdb", "postgres"} {
		script := fmt.Sprintf("#!/bin/sh\necho '%s (PostgreSQL) %s (Made up 1)'\n", name, version)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
