package datasync

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/mockapi"
)

// A faultResult is how the attempts to fetch a page end if each answer has the same fault. The zero value means that the page arrives.
type faultResult struct {
	kind domain.Kind
	text string        // what names the fault in the error
	max  time.Duration // how long all attempts may take
}

// faultResults has the result of each fault of the mock that hits each request for a first page, with the default settings.
var faultResults = map[mockapi.FaultKind]faultResult{
	"429":                {domain.RateLimited, "longer than the 1h0m0s that a run may wait", time.Hour},
	"429-bare":           {domain.RateLimited, "longer than the 1h0m0s that a run may wait", time.Hour},
	"500":                {domain.Transient, "HTTP 500", backoffs},
	"401":                {domain.Unauthorized, "HTTP 401", 0},
	"403":                {domain.Unauthorized, "HTTP 403", 0},
	"expired":            {}, // needs a cursor
	"invalid":            {}, // needs a cursor
	"502":                {domain.Transient, "HTTP 502", backoffs},
	"503":                {domain.Transient, "HTTP 503", backoffs},
	"504":                {domain.Transient, "HTTP 504", backoffs},
	"null":               {domain.BadPage, "empty or null", backoffs},
	"truncated":          {domain.BadPage, "the body cannot be read", backoffs},
	"html":               {domain.BadPage, "web page", backoffs},
	"data-null":          {domain.BadPage, "broken on purpose", backoffs},
	"data-missing":       {domain.BadPage, "broken on purpose", backoffs},
	"pagination-missing": {domain.BadPage, "broken on purpose", backoffs},
	"hasmore-missing":    {domain.BadPage, "broken on purpose", backoffs},
	"hasmore-null":       {domain.BadPage, "hasMore is null", backoffs},
	"returned-lies":      {domain.BadPage, "meta.returned is", backoffs},
	"stray-end":          {}, // the store does not believe it
	"no-cursor":          {domain.BadPage, "there is no nextCursor", backoffs},
	"repeat-cursor":      {}, // needs a cursor
	"cycle-cursor":       {}, // needs a cursor
	"last-cursor":        {},
	"empty-tail":         {},
	"total-moves":        {},
	"reset":              {domain.Transient, "the connection ended without an answer", backoffs},
	"reset-body":         {domain.Transient, "the connection ended after", backoffs},
	"hang":               {domain.Transient, "no answer within 1m0s", 5*testTimeout + backoffs},
	"hang-body":          {domain.Transient, "no more came for 20s", 5*testTimeout/3 + backoffs},
	"trickle":            {domain.Transient, "the answer is too slow", 5*testTimeout + backoffs},
	"endless-headers":    {domain.Transient, "headers exceeded", backoffs},
	"huge-body":          {domain.BadPage, "too large: more than 16777216 bytes", backoffs},
	"gzip":               {},
	"gzip-bomb":          {domain.BadPage, "too large: more than 16777216 bytes", backoffs},
	"redirect":           {domain.Invalid, "redirects to", 0},
	"reuse-reset":        {},
	"short-body":         {domain.Transient, "the connection ended after", backoffs},
	"trickle-headers":    {domain.Transient, "no answer within 1m0s", 5*testTimeout + backoffs},
	"bad-headers":        {domain.Transient, "malformed", backoffs},
	"gzip-broken":        {domain.BadPage, "the compressed body is damaged", backoffs},
	"not-utf8":           {domain.BadPage, "not UTF-8", backoffs},
	"control-chars":      {domain.Transient, `message "Failed for \x1b[2J`, backoffs},
	"echo-key":           {domain.Transient, `message "Failed for [API key]"`, backoffs},
	"redirect-here":      {domain.Invalid, `redirects to "http://api.test/_mock/elsewhere"`, 0},
}

const (
	testTimeout = time.Minute
	backoffs    = (500 + 1000 + 2000 + 4000) * time.Millisecond // before the attempts 2 to 5
)

// TestFetchPage_ConstantFaults checks that the attempts to fetch a page end if each answer has a fault: in time, with an error of the
// right kind that names the fault, and without the API key. Each request must reach the mock once.
func TestFetchPage_ConstantFaults(t *testing.T) {
	t.Parallel()
	for _, kind := range mockapi.FaultKinds() {
		want, found := faultResults[kind]
		if !found {
			t.Errorf("%s: the table does not have this fault", kind)
		}
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				cfg := mockapi.DefaultConfig()
				cfg.APIKey, cfg.Events = testKey, 10_000
				cfg.RateLimit = 0
				cfg.Faults = []mockapi.Fault{{Kind: kind, Probability: 1}}
				api, err := mockapi.New(cfg)
				if err != nil {
					t.Fatal(err)
				}
				client, stop := connectTo(t, api)
				policy := retry.Policy{Tries: 5, MaxWait: time.Hour, Jitter: func() float64 { return 1 }}
				attempts := 0
				began := time.Now()
				err = policy.Do(t.Context(), func(retry.Wait) {}, func(ctx context.Context) error {
					page, err := client.FetchPage(ctx, domain.PageRequest{Limit: 5000})
					if failure := domain.AsError(err); failure == nil || !failure.Unsent {
						attempts++
					}
					if err == nil && len(page.Records) != 5000 {
						t.Errorf("got %d records, want 5000", len(page.Records))
					}
					return err
				})
				took := time.Since(began)
				stop()
				if isFailure := want.kind != domain.Unknown; (err != nil) != isFailure || isFailure && domain.KindOf(err) != want.kind {
					t.Fatalf("got error %v, want %s", err, want.kind)
				}
				if err != nil && !strings.Contains(err.Error(), want.text) {
					t.Errorf("got error %v, want one with %q", err, want.text)
				}
				if err != nil && (strings.Contains(err.Error(), testKey) || !isPrintable(err.Error())) {
					t.Errorf("got error %q, want it printable and without the API key", err)
				}
				if took > want.max {
					t.Errorf("got an end after %s, want it after at most %s", took, want.max)
				}
				if summary := api.Journal().Summary(); summary.Requests != attempts || summary.KeyLeaked+summary.Followed > 0 {
					t.Errorf("got the journal %+v, want %d requests and no redirect followed", summary, attempts)
				}
			})
		})
	}
}

// connectTo returns a client of api with the default settings. All connections are in the memory, so that the test may run in a bubble
// of synctest. stop ends the server and its connections.
func connectTo(t *testing.T, api http.Handler) (client *Client, stop func()) {
	t.Helper()
	listener := &pipeListener{connections: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: api, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	transport := newTransport()
	transport.Proxy, transport.DialContext = nil, listener.dial
	client, err := New(Config{
		BaseURL: "http://api.test" + mockapi.BasePath, APIKey: testKey, Profile: DataSync(), Timeout: testTimeout, MaxPageBytes: 16 << 20,
		Transport: transport,
	})
	if err != nil {
		t.Fatal(err)
	}
	return client, func() {
		transport.CloseIdleConnections()
		_ = server.Close()
		listener.closeAll()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("got error %v of the server, want %v", err, http.ErrServerClosed)
		}
		time.Sleep(time.Second) // until the faults that wait have noticed that the connections are closed
		synctest.Wait()         // the journal then has all entries
	}
}

// A pipeListener is a net.Listener whose connections are in the memory.
type pipeListener struct {
	connections chan net.Conn
	closed      chan struct{}
	closeOnce   sync.Once

	mu  sync.Mutex
	all []net.Conn
}

// dial opens a connection. Its parameters are those of http.Transport.DialContext.
func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	l.mu.Lock()
	l.all = append(l.all, server)
	l.mu.Unlock()
	select {
	case l.connections <- server:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// closeAll closes the server's side of all connections, also of those that a handler has taken from the server.
func (l *pipeListener) closeAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, conn := range l.all {
		_ = conn.Close()
	}
}

// Accept implements net.Listener.
func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.connections:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *pipeListener) Close() error {
	l.closeOnce.Do(func() { close(l.closed) })
	return nil
}

// Addr implements net.Listener.
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
