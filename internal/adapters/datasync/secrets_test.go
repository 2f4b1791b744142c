package datasync_test

import (
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/domain"
)

// TestErrorsKeepTheSecrets: neither the key nor the query is in any error's text, whatever the API repeats.
func TestErrorsKeepTheSecrets(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		status  int
		headers []string
		body    string
		says    string
	}{
		{"the key in a message", 401, nil, `{"code":"UNAUTHORIZED","message":"Invalid API key ` + key + `"}`, "[API key]"},
		{"the key in a code", 403, nil, `{"code":"` + key + `"}`, "[API key]"},
		{"the key at the end of a long message", 400, nil, `{"message":"` + strings.Repeat("x", 30) + key + `"}`, "xxx"},
		{"the key in a location", 302, []string{"Location", "https://elsewhere/" + key + "?key=" + key}, "", "elsewhere"},
		{"a password in a location", 307, []string{"Location", "https://u:s3cret@elsewhere/?s3cret#s3cret"}, "", "elsewhere"},
		{"a location that is none", 301, []string{"Location", "https://%zz/s3cret"}, "", "not a URL"},
		{"an unknown status", 799, nil, "<html>" + key, "HTTP 799"},
		{"a page that is none", 200, nil, `{"` + key + `":1}`, "data is missing"},
		{"the key as the request id", 500, []string{"X-Request-ID", key}, "", "HTTP 500"},
		{"the key as the request id of a bad page", 200, []string{"X-Request-ID", key}, "null", "not a JSON object"},
		{"the key as the reason of a fault", 200, []string{"X-Chaos-Applied", key}, "{}", "broken on purpose"},
		{"the key as a name, twice", 200, nil, `{"` + key + `":1,"` + key + `":1}`, "twice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := fetchBody(t, tt.status, tt.body, tt.headers...)
			text := err.Error()
			for _, secret := range []string{key, key[:10], "s3cret", "asked", "cursor="} {
				if strings.Contains(text+domain.HintOf(err), secret) {
					t.Errorf("the error tells %q: %v", secret, err)
				}
			}
			if !strings.Contains(text, tt.says) || !strings.Contains(text, "https://api.test/api/v1/events") {
				t.Errorf("the error does not say where or %q: %v", tt.says, err)
			}
		})
	}
}
