package cli

import (
	"os"
	"path/filepath"
	"testing"
)

// Golden compares a transcript with testdata/name.golden, or writes that file with -update.
func Golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what was shown; if that is as it should be, run the tests with -update\ngot:\n%s\nwant:\n%s", path, got, want)
	}
}
