package datasync_test

import (
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/adapters/datasync"
	"github.com/pawldata/pawl/internal/domain"
)

func TestNormalizeBaseURL(t *testing.T) {
	t.Parallel()
	tests := []struct{ address, want string }{
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
		got, err := datasync.NormalizeBaseURL(tt.address)
		if err != nil || got != tt.want {
			t.Errorf("%q became %q, want %q; error %v", tt.address, got, tt.want, err)
		}
		if again, err := datasync.NormalizeBaseURL(got); again != got || err != nil {
			t.Errorf("%q became %q the second time; error %v", got, again, err)
		}
	}
}

func TestBaseURLsThatAreNone(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"", "host/api", "//host/api", "ftp://host", "https://", "https:///api", "https://:443", "https:host", "https://host:port",
		"https://user:s3cret@host", "https://s3cret@host", "https://host?key=s3cret", "https://host?", "https://host#s3cret",
		"https://host#", "https://host/%zz", "https://ho st/",
	} {
		got, err := datasync.NormalizeBaseURL(address)
		if domain.KindOf(err) != domain.Invalid || domain.HintOf(err) == "" {
			t.Errorf("%q became %q, error %v", address, got, err)
		} else if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("the error tells the secret: %v", err)
		}
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	sound := datasync.Config{BaseURL: "https://host", APIKey: "k", Profile: datasync.DataSync(), Timeout: 1, MaxPageBytes: 1}
	if _, err := datasync.New(sound); err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(*datasync.Config){
		"no base URL":           func(c *datasync.Config) { c.BaseURL = "" },
		"no profile":            func(c *datasync.Config) { c.Profile = datasync.Profile{} },
		"a path that is none":   func(c *datasync.Config) { c.Profile.EventsPath = "/%zz" },
		"no timeout":            func(c *datasync.Config) { c.Timeout = 0 },
		"no room for a page":    func(c *datasync.Config) { c.MaxPageBytes = 0 },
		"a key with a new line": func(c *datasync.Config) { c.APIKey = "s3cret\n" },
		"a key beyond ASCII":    func(c *datasync.Config) { c.APIKey = "s3cret\u200b" },
	} {
		cfg := sound
		edit(&cfg)
		if _, err := datasync.New(cfg); domain.KindOf(err) != domain.Invalid || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
