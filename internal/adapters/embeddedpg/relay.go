package embeddedpg

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	stallPatience = 30 * time.Second
	maxDownload   = 256 << 20 // bytes; releases have some 30 MB
	progressStep  = 5 << 20   // bytes
	megabyte      = 1 << 20
)

// limits end a transfer.
type limits struct {
	stall time.Duration // without a byte
	size  int64         // bytes
}

// A relay passes the library's requests on. The library knows no context, time limit or progress, and takes a missing
// checksum for a good one; what goes through the relay has all of them.
type relay struct {
	upstream string
	limits   limits
	name     string // of what is downloaded
	say      func(string)

	mu      sync.Mutex
	failure error // the first one
	closed  bool
}

// listen serves on loopback, under a path that nobody guesses, until closed or until ctx ends.
func (r *relay) listen(ctx context.Context) (address string, closeRelay func(), err error) {
	upstream, err := url.Parse(r.upstream)
	if err != nil {
		return "", nil, fmt.Errorf("read the repository's address: %w", err)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", loopback(0))
	if err != nil {
		return "", nil, err
	}
	prefix := "/" + rand.Text()
	quiet := log.New(io.Discard, "", 0) // failures are kept
	srv := &http.Server{
		Handler: http.StripPrefix(prefix, &httputil.ReverseProxy{
			Rewrite:      func(p *httputil.ProxyRequest) { p.SetURL(upstream) },
			Transport:    r,
			ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
			ErrorLog:     quiet,
		}),
		ReadHeaderTimeout: stallPatience,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          quiet,
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = srv.Serve(listener) // it ends when it is closed
	}()
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	return "http://" + listener.Addr().String() + prefix, func() {
		stop()
		r.mu.Lock()
		r.closed = true
		r.mu.Unlock()
		_ = srv.Close() // it was for the library alone, which has finished
		<-served
	}, nil
}

// RoundTrip asks the repository. Everything but a whole answer is a failure.
func (r *relay) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	t := &transfer{relay: r, cancel: cancel}
	t.watchdog = time.AfterFunc(r.limits.stall, func() { cancel(fmt.Errorf("nothing came for %v", r.limits.stall)) })
	resp, err := http.DefaultTransport.RoundTrip(req.WithContext(ctx))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.Join(fmt.Errorf("the repository answered %s for %s", resp.Status, req.URL.Redacted()), resp.Body.Close())
	}
	if err != nil {
		t.watchdog.Stop()
		err = r.fail(ctx, err)
		cancel(nil)
		return nil, err
	}
	t.ctx, t.body, t.total = ctx, resp.Body, resp.ContentLength
	t.shown = strings.HasSuffix(req.URL.Path, ".jar")
	resp.Body = t
	return resp, nil
}

func (r *relay) fail(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failure == nil {
		r.failure = err
	}
	return err
}

func (r *relay) failed() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failure
}

func (r *relay) progress(done, total int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
	case total > 0:
		r.say(fmt.Sprintf("downloading %s: %d of %d MB", r.name, done/megabyte, total/megabyte))
	default:
		r.say(fmt.Sprintf("downloading %s: %d MB", r.name, done/megabyte))
	}
}

// A transfer is the body of an answer, counted and watched.
type transfer struct {
	relay    *relay
	ctx      context.Context
	cancel   context.CancelCauseFunc
	watchdog *time.Timer
	body     io.ReadCloser
	total    int64 // -1 if nobody said
	done     int64
	shown    bool
}

func (t *transfer) Read(p []byte) (int, error) {
	n, err := t.body.Read(p)
	t.watchdog.Reset(t.relay.limits.stall)
	before := t.done
	t.done += int64(n)
	if t.shown && n > 0 && (before/progressStep != t.done/progressStep || t.done == t.total) {
		t.relay.progress(t.done, t.total)
	}
	if most := t.relay.limits.size; t.done > most {
		err = fmt.Errorf("there are more than %d MB", most/megabyte)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = t.relay.fail(t.ctx, err)
	}
	return n, err
}

func (t *transfer) Close() error {
	t.watchdog.Stop()
	t.cancel(nil)
	return t.body.Close()
}
