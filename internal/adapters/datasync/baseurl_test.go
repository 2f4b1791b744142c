package datasync_test

import (
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/adapters/datasync"
	"github.com/pawldata/pawl/internal/domain"
)

func TestNormalizeBaseURL(t *testing.T) {
	t.Parallel()
	tests := []struct{ rawURL, want string }{
		{"https://host/api/v1", "https://host/api/v1"},
		{" https://host/api/v1/\n", "https://host/api/v1"},
		{"HTTPS://Host.Example/API/v1//", "https://host.example/API/v1"},
		{"https://host:443", "https://host"},
		{"http://host:80/", "http://host"},
		{"http://host:443/", "http://host:443"},
		{"https://host:8443/x", "https://host:8443/x"},
		{"https://host:/x", "https://host/x"},
		{"http://[::1]:80/x", "http://[::1]/x"},
		{"http://[::1]:8080/x", "http://[::1]:8080/x"},
		{"https://host/a%2Fb/", "https://host/a%2Fb"},
	}
	for _, tt := range tests {
		got, err := datasync.NormalizeBaseURL(tt.rawURL)
		if err != nil || got != tt.want {
			t.Errorf("NormalizeBaseURL(%q): got %q, error %v, want %q", tt.rawURL, got, err, tt.want)
		}
		if again, err := datasync.NormalizeBaseURL(got); again != got || err != nil {
			t.Errorf("NormalizeBaseURL(%q), which is already normal: got %q, error %v, want no change", got, again, err)
		}
	}
}

// TestNormalizeBaseURL_Invalid checks that an invalid URL gives an error with a hint, which does not repeat the secret s3cret.
func TestNormalizeBaseURL_Invalid(t *testing.T) {
	t.Parallel()
	for _, rawURL := range []string{
		"", "host/api", "//host/api", "ftp://host", "https://", "https:///api", "https://:443", "https:host", "https://host:port",
		"https://user:s3cret@host", "https://s3cret@host", "https://host?key=s3cret", "https://host?", "https://host#s3cret",
		"https://host#", "https://host/%zz", "https://host:99999/api", "https://host:0", "https://ho st/",
	} {
		got, err := datasync.NormalizeBaseURL(rawURL)
		if domain.KindOf(err) != domain.Invalid || domain.HintOf(err) == "" {
			t.Errorf("NormalizeBaseURL(%q): got %q, error %v, want an Invalid error with a hint", rawURL, got, err)
		} else if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("NormalizeBaseURL(%q): got error %q, want one without the secret", rawURL, err)
		}
	}
}
