package datasync_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pawldata/pawl/internal/adapters/datasync"
	"github.com/pawldata/pawl/internal/domain"
)

// TestFetchPage_RedirectSendsNothing checks that the client follows no redirect, not even one to the same server, and that the error
// names the new address. The servers are real, so that the transport of the client could follow.
func TestFetchPage_RedirectSendsNothing(t *testing.T) {
	t.Parallel()
	var target atomic.Int64
	countTarget := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { target.Add(1) })
	otherPort, otherScheme := httptest.NewServer(countTarget), httptest.NewTLSServer(countTarget)
	t.Cleanup(otherPort.Close)
	t.Cleanup(otherScheme.Close)
	var location atomic.Value
	var requests, status atomic.Int64
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.Header().Set("Location", location.Load().(string))
		w.WriteHeader(int(status.Load()))
	}))
	t.Cleanup(origin.Close)
	otherHost := strings.Replace(otherPort.URL, "127.0.0.1", "localhost", 1)
	host := strings.TrimPrefix(otherPort.URL, "http://")
	for _, tt := range []struct {
		name, location string
		wantAddress    string // in the error
		wantBase       string // in the hint; empty: the hint names no address
	}{
		{name: "other port", location: otherPort.URL + "/v2/events", wantAddress: otherPort.URL + "/v2/events", wantBase: otherPort.URL + "/v2"},
		{name: "other host", location: otherHost + "/events", wantAddress: otherHost + "/events", wantBase: otherHost},
		{name: "other scheme", location: otherScheme.URL + "/login?x=1#y", wantAddress: otherScheme.URL + "/login"},
		{name: "no scheme", location: "//" + host + "/events", wantAddress: otherPort.URL + "/events", wantBase: otherPort.URL},
		{name: "other path", location: "/v2/events?cursor=x", wantAddress: origin.URL + "/v2/events", wantBase: origin.URL + "/v2"},
		{name: "relative path", location: "events/", wantAddress: origin.URL + "/api/events/"},
		{name: "itself", location: origin.URL + "/api/events", wantAddress: origin.URL + "/api/events", wantBase: origin.URL + "/api"},
		{name: "no location", location: "", wantAddress: "an address that is not a URL"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			location.Store(tt.location)
			client := newClient(t, func(c *datasync.Config) { c.BaseURL, c.Transport = origin.URL+"/api", nil })
			for _, redirect := range []int64{301, 302, 303, 307, 308} {
				status.Store(redirect)
				before := requests.Load()
				_, err := client.FetchPage(t.Context(), domain.PageRequest{})
				if domain.KindOf(err) != domain.Invalid || domain.CodeOf(err) != domain.CodeAPIWrongAddress {
					t.Fatalf("got error %v, want Invalid, %s", err, domain.CodeAPIWrongAddress)
				}
				if !strings.Contains(err.Error(), `redirects to "`+tt.wantAddress+`"`) {
					t.Errorf("got error %v, want one with the address %s", err, tt.wantAddress)
				}
				if hint := domain.HintOf(err); !strings.Contains(hint, "API_BASE_URL") ||
					tt.wantBase != "" && !strings.Contains(hint, `set API_BASE_URL to "`+tt.wantBase+`"`) {
					t.Errorf("got hint %q, want one with %q", hint, tt.wantBase)
				}
				if n := requests.Load() - before; n != 1 {
					t.Errorf("got %d requests to the redirecting server, want 1", n)
				}
			}
		})
	}
	if target.Load() != 0 {
		t.Errorf("got %d requests to the targets of redirects, want 0", target.Load())
	}
}
