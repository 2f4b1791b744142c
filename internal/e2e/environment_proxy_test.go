//go:build e2e

package e2e

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
)

// TestProxyEnvironment checks that pawl uses the proxy in the environment, and how a run ends if the proxy refuses or cannot be used. The
// proxy must not get the API key of an API with https, nor find it in a URL, and pawl must not print the proxy's password.
func TestProxyEnvironment(t *testing.T) {
	t.Parallel()
	const password = "proxy-password"
	m := startMock(t, "--events", "3000", "--rate-limit", "0")
	p := serveProxy(t, m.baseURL)
	address := strings.Replace(p.url, "http://", "http://user:"+password+"@", 1)
	const plain, encrypted = "http://api.test/api/v1", "https://api.test/api/v1"
	for _, tt := range []struct {
		name, baseURL string
		env           string // names the proxy
		refuse        int    // the status with which the proxy refuses requests; 0: it does not refuse
		wantCode      int
		wantStderr    string
	}{
		{name: "plain", baseURL: plain, env: "HTTP_PROXY=" + address, wantCode: exitDone},
		{name: "plain, lower case", baseURL: plain, env: "http_proxy=" + address, wantCode: exitDone},
		{name: "plain, wrong password", baseURL: plain, env: "HTTP_PROXY=" + address, refuse: 407, wantCode: exitSettings, wantStderr: "HTTP_PROXY"},
		{name: "plain, broken", baseURL: plain, env: "HTTP_PROXY=" + address, refuse: 502, wantCode: exitRetryLater, wantStderr: "HTTP 502"},
		{
			name: "encrypted, wrong password", baseURL: encrypted, env: "HTTPS_PROXY=" + address, refuse: 407,
			wantCode: exitSettings, wantStderr: "HTTP_PROXY",
		},
		{name: "encrypted, broken", baseURL: encrypted, env: "HTTPS_PROXY=" + address, refuse: 502, wantCode: exitRetryLater, wantStderr: "the proxy"},
		{
			name: "malformed", baseURL: plain, env: "HTTP_PROXY=http://user:" + password + "%zz@127.0.0.1:1",
			wantCode: exitSettings, wantStderr: "proxy setting",
		},
		{
			name: "unreachable", baseURL: plain, env: "HTTP_PROXY=http://user:" + password + "@127.0.0.1:1",
			wantCode: exitRetryLater, wantStderr: "if this persists, check HTTP_PROXY",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t, m.environment)
			f.env = append(f.env, "API_BASE_URL="+tt.baseURL, tt.env)
			p.refuse.Store(int64(tt.refuse))
			before := p.requests.Load()
			run := f.runPawl(tt.wantCode, "run", "--page-size", "1000", "--tries", "2", "--log-level", "debug")
			output := run.stdout.String() + run.stderr.String()
			if !strings.Contains(output, tt.wantStderr) || strings.Contains(output, password) {
				t.Errorf("got output %s, want it with %q and without the proxy's password", output, tt.wantStderr)
			}
			if tt.wantCode == exitDone {
				if n := p.requests.Load() - before; n != 3 {
					t.Errorf("requests through the proxy: got %d, want 3", n)
				}
				f.db.checkAgainstMock(m)
			}
		})
	}
	if p.leaks.Load() > 0 {
		t.Errorf("requests that give the proxy the key where it need not be: got %d, want 0", p.leaks.Load())
	}
	if p.requests.Load() == 0 || p.withPassword.Load() != p.requests.Load() {
		t.Errorf("requests with the proxy's password: got %d of %d, want all", p.withPassword.Load(), p.requests.Load())
	}
}

// An environmentProxy is an HTTP proxy that sends plain requests to an API, whatever host they name. It opens no connection for CONNECT.
type environmentProxy struct {
	url          string
	api          *url.URL
	refuse       atomic.Int64 // a status, or 0
	requests     atomic.Int64
	withPassword atomic.Int64 // requests with a password for the proxy
	leaks        atomic.Int64 // requests with the API key in the URL, or in a CONNECT
}

// serveProxy starts an environmentProxy. It serves until the test ends.
func serveProxy(t *testing.T, baseURL string) *environmentProxy {
	t.Helper()
	api, err := url.Parse(baseURL)
	if err != nil {
		t.Fatal(err)
	}
	p := &environmentProxy{api: api}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

// ServeHTTP implements http.Handler.
func (p *environmentProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const key = "demo-key" // of mock.environment
	p.requests.Add(1)
	if strings.HasPrefix(r.Header.Get("Proxy-Authorization"), "Basic ") {
		p.withPassword.Add(1)
	}
	hasKey := r.Header.Get("X-API-Key") != ""
	if strings.Contains(r.RequestURI, key) || r.Method == http.MethodConnect && hasKey {
		p.leaks.Add(1)
	}
	if status := p.refuse.Load(); status != 0 {
		w.WriteHeader(int(status))
		return
	}
	r.URL.Host, r.RequestURI = p.api.Host, ""
	r.Header.Del("Proxy-Authorization")
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	maps.Copy(w.Header(), response.Header)
	w.WriteHeader(response.StatusCode)
	_, _ = io.Copy(w, response.Body)
}
