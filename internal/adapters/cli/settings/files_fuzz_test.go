package settings

import (
	"maps"
	"regexp"
	"strings"
	"testing"

	"github.com/joho/godotenv"
)

// envFileErrors matches the only errors about the content of a .env file. So an error shows no part of the content, which may be a
// secret.
var envFileErrors = regexp.MustCompile(`^\.env: line [1-9][0-9]* (is not NAME=value|has a \$ that is not in single quotes: NAME='value')$`)

// FuzzEnvFile checks that a .env file gives an error that shows nothing of the file, or variables without a change: the library
// replaces $NAME in a value, so the values must be the same as without that replacement.
func FuzzEnvFile(f *testing.F) {
	for _, seed := range []string{
		"# comment\nA=1\nexport B = 'x $y' # $z\n", "A=\"x\\$y\\n\"\r\nB: $Z\n", "A=\"1\n$B\"\n", "A=1 # $B # c\n", "A='x\n$HOME'\n", "A='it\\'s'\n", "\ufeffA=\"1\n2\"\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		const dollar = "\x01" // stands for $, and the library does not treat it specially
		if strings.Contains(string(content), dollar) {
			return
		}
		got, err := parseEnvFile(".env", content)
		if err != nil {
			if !envFileErrors.MatchString(err.Error()) {
				t.Errorf("%q: got error %q, which may show a part of the file", content, err)
			}
			return
		}
		text := strings.TrimPrefix(string(content), byteOrderMark)
		want, err := godotenv.Unmarshal(strings.ReplaceAll(text, "$", dollar))
		if err != nil {
			t.Fatalf("%q: got %q without an error, want error %v", content, got, err)
		}
		for name, value := range want {
			want[name] = unescapeDollars(strings.ReplaceAll(value, dollar, "$"))
		}
		for name, value := range got {
			got[name] = unescapeDollars(value)
		}
		if _, isNameless := got[""]; isNameless || !maps.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", content, got, want)
		}
	})
}

// unescapeDollars removes the backslashes before each $. The library removes one of them in double quotes, where \$ is a way to write $.
func unescapeDollars(value string) string {
	for strings.Contains(value, `\$`) {
		value = strings.ReplaceAll(value, `\$`, "$")
	}
	return value
}
