package datasync

import (
	"net/url"
	"strings"
	"testing"
)

// TestSecrets_Redact checks that no part of the key is left in a text that has it in an escaped form.
func TestSecrets_Redact(t *testing.T) {
	t.Parallel()
	for _, key := range []string{
		"abcdefghijklmnopqrst/UVWXYZ0123456789+end", // the first character to escape is after the middle
		"abc/defghijklmnopqrstUVWXYZ0123456789",
	} {
		for name, form := range map[string]string{
			"as it is": key, "in a path": url.PathEscape(key), "in a query": url.QueryEscape(key),
			"in JSON":                      strings.ReplaceAll(key, "/", `\/`),
			"in a path, lower case":        lowerEscapes(url.PathEscape(key)),
			"in a query, lower case":       lowerEscapes(url.QueryEscape(key)),
			"cut after most of its length": key[:len(key)-5],
		} {
			if got, want := newSecrets(key).redact("key "+form+" refused"), "key [API key] refused"; got != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
	}
}
