package settings

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadEnvFile_Example checks that pawl can read .env.example, and that the file sets nothing because all its settings are commented
// out.
func TestReadEnvFile_Example(t *testing.T) {
	t.Parallel()
	variables, err := readEnvFile(filepath.Join("..", "..", "..", "..", ".env.example"))
	if err != nil || len(variables) > 0 {
		t.Errorf("got variables %v, error %v; want no variables and no error", variables, err)
	}
}

// TestReadEnvFile_Errors checks that an error about a .env file names its line, and that no value is changed silently. The error must not
// show a value, because it may be a secret.
func TestReadEnvFile_Errors(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	tests := []struct {
		name    string
		content string
		want    string // a part of the error; empty if there is none
	}{
		{name: "no pair", content: "# comment\nA=1\nno pair " + secret + "\nB=2\n", want: "line 3 of"},
		{name: "an open quote", content: "A=1\nB='" + secret + "\nC=2\n", want: "line 2 of"},
		{name: "a dollar", content: "A=1\nB=" + secret + "$x\n", want: "line 2 of"},
		{name: "a dollar in double quotes", content: "B=\"" + secret + "$x\"\n", want: "line 1 of"},
		{name: "a dollar in single quotes", content: "B='" + secret + "$x'\n"},
		{name: "a dollar in a comment behind a value", content: "A=1 # not $x\n"},
		{name: "a dollar in quotes before a comment", content: "A=\"$x\" # 1\n", want: "line 1 of"},
		{name: "a byte order mark before an error", content: "\ufeffA=1\nB\n", want: "line 2 of"},
		{name: "a dollar in a comment", content: "# B=$x\nA=1\n"},
	}
	for _, tt := range tests {
		path := filepath.Join(t.TempDir(), ".env")
		if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
			t.Fatal(err)
		}
		variables, err := readEnvFile(path)
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: got error %v, want none", tt.name, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), secret)):
			t.Errorf("%s: got %v, error %v, want an error with %q and without the value", tt.name, variables, err, tt.want)
		}
	}
}
