package settings

import (
	"maps"
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

// TestReadEnvFile_Dollar checks that a value has each $ that the file allows.
func TestReadEnvFile_Dollar(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), ".env")
	const content = "A='a$B$$'\nB=\"b\\$A\"\nC: 'c\n${A}'\nD=d # $A\n"
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	variables, err := readEnvFile(path)
	want := map[string]string{"A": "a$B$$", "B": "b$A", "C": "c\n${A}", "D": "d"}
	if err != nil || !maps.Equal(variables, want) {
		t.Errorf("got %q, error %v; want %q", variables, err, want)
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
		{name: "no pair", content: "# comment\nA=1\nno pair " + secret + "\nB=2\n", want: "line 3 "},
		{name: "an open quote", content: "A=1\nB='" + secret + "\nC=2\n", want: "line 2 "},
		{name: "a dollar", content: "A=1\nB=" + secret + "$x\n", want: "line 2 "},
		{name: "a dollar in double quotes", content: "B=\"" + secret + "$x\"\n", want: "line 1 "},
		{name: "a dollar in single quotes", content: "B='" + secret + "$x'\n"},
		{name: "a dollar in a comment behind a value", content: "A=1 # not $x\n"},
		{name: "a dollar in quotes before a comment", content: "A=\"$x\" # 1\n", want: "line 1 "},
		{name: "a byte order mark before an error", content: "\ufeffA=1\nB\n", want: "line 2 "},
		{name: "a dollar in a comment after a tab", content: "A=1\t# costs $5\n"},
		{name: "a dollar after a colon", content: "A=1\nB: " + secret + "$X\n", want: "line 2 "},
		{name: "a dollar in the second line of a value", content: "A=\"1\n" + secret + "$X\n\"\nB=2\n", want: "line 2 "},
		{name: "a dollar in the second line of a quoted value", content: "A='1\n" + secret + "$X\n'\n"},
		{name: "a dollar before a bracket", content: "A=1$(" + secret + ")\n", want: "line 1 "},
		{name: "an escaped dollar in double quotes", content: "A=\"" + secret + "\\$X\"\n"},
		{name: "an escaped dollar without quotes", content: "A=" + secret + "\\$X\n", want: "line 1 "},
		{name: "a dollar before the last comment", content: "A=1\nB=" + secret + " #$X # x\n", want: "line 2"},
		{name: "no pair in a last line without an end", content: "A=1\n" + secret, want: "line 2"},
		{name: "no name", content: "=" + secret + "\nA=1\n", want: "line 1"},
		{name: "a NUL", content: "A=1\nB=" + secret + "\x00\n", want: "line 2"},
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
