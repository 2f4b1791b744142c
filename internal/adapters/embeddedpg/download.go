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
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"time"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"

	"github.com/pawldata/pawl/internal/adapters/embeddedpg/pgprograms"
)

const (
	extractedFolder = "programs" // download extracts the programs to this folder in dir

	reachTimeout = 700 * time.Millisecond // of checkReachable
	stallTimeout = 30 * time.Second       // the greatest time without data during a download

	megabyte     = 1 << 20        // bytes
	maxDownload  = 256 * megabyte // the greatest size of a download; a release has about 30 MB
	progressStep = 5 * megabyte   // the size between two reports of the progress
)

// download downloads the programs, checks their checksum and extracts them into dir. The library embedded-postgres does this
// work in its method Start. After this work Start would run a server, which it must not do for two reasons: Start cannot run a
// server as root, and it deletes data of another version. Therefore Start gets a data folder that it cannot empty, because the
// path ends with a dot. So Start fails after it has extracted the programs and before it runs initdb. This failure means success.
func download(ctx context.Context, p *downloadProxy, version embeddedpostgres.PostgresVersion, dir string) error {
	proxyURL, closeProxy, err := p.serve(ctx)
	if err != nil {
		return err
	}
	defer closeProxy()
	library := embeddedpostgres.NewDatabase(embeddedpostgres.DefaultConfig().
		Version(version).
		BinaryRepositoryURL(proxyURL).
		CachePath(filepath.Join(dir, "cache")).
		RuntimePath(filepath.Join(dir, extractedFolder)).
		DataPath(dir + "/.").
		Port(0).
		Logger(io.Discard))
	const expectedError = "unable to clean up data directory" // the beginning of the error that means success
	startErr := library.Start()
	proxyErr := p.firstFailure()
	switch {
	case proxyErr != nil:
		return proxyErr
	case startErr == nil:
		return errors.Join(errors.New("the library embedded-postgres has started a server"), library.Stop())
	case !strings.HasPrefix(startErr.Error(), expectedError):
		return startErr
	case !pgprograms.Complete(filepath.Join(dir, extractedFolder, "bin")):
		return errors.New("initdb and postgres are missing in the archive")
	}
	return nil
}

// libraryRepository returns the URL from which the library downloads the programs. The library does not export this URL, so
// libraryRepository reads it by reflection. A constant in this package could differ from the URL after an update of the library.
func libraryRepository() (string, error) {
	field := reflect.ValueOf(embeddedpostgres.DefaultConfig()).FieldByName("binaryRepositoryURL")
	if !field.IsValid() || field.Kind() != reflect.String {
		return "", errors.New("the library embedded-postgres has no field binaryRepositoryURL")
	}
	return field.String(), nil
}

// checkReachable returns an error if no connection to the repository's host can be opened within reachTimeout. If the user has set
// a proxy for the repository, checkReachable opens no connection and returns nil.
func checkReachable(ctx context.Context, repository string) error {
	u, err := url.Parse(repository)
	if err != nil {
		return fmt.Errorf("read the repository's URL: %w", err)
	}
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u})
	if err != nil || proxy != nil {
		return err
	}
	port := u.Port()
	if port == "" {
		port = u.Scheme // Dial accepts the name of a service, such as https, as a port
	}
	dialer := net.Dialer{Timeout: reachTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return err
	}
	return conn.Close()
}

// A download that exceeds one of the downloadLimits fails.
type downloadLimits struct {
	stallTimeout time.Duration // the maximum time without any data
	maxSize      int64         // the maximum number of bytes
}

// A downloadProxy forwards the library's requests to the repository. The library cannot be cancelled, has no time limit, and
// reports no progress. The library also accepts a download whose checksum is missing. The proxy cancels requests, limits their
// time and their size, reports the progress, and makes a download without a checksum fail.
type downloadProxy struct {
	upstream string // the URL of the repository
	limits   downloadLimits
	name     string       // the name of the downloaded release, for messages
	report   func(string) // called with each message about the progress

	mu       sync.Mutex
	failure  error // the error of the first request that failed
	isClosed bool  // report must not be called any more, because Open may have returned
}

// serve starts the proxy on the loopback interface and returns its URL. The URL has a random path that other programs cannot
// guess. The proxy runs until closeProxy is called or ctx ends.
func (p *downloadProxy) serve(ctx context.Context) (proxyURL string, closeProxy func(), err error) {
	upstream, err := url.Parse(p.upstream)
	if err != nil {
		return "", nil, fmt.Errorf("read the repository's URL: %w", err)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", loopbackAddress(0))
	if err != nil {
		return "", nil, err
	}
	prefix := "/" + rand.Text()
	noLog := log.New(io.Discard, "", 0) // recordFailure stores the errors, so they need no log
	srv := &http.Server{
		Handler: http.StripPrefix(prefix, &httputil.ReverseProxy{
			Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(upstream) },
			Transport:    p,
			ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
			ErrorLog:     noLog,
		}),
		ReadHeaderTimeout: stallTimeout,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          noLog,
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = srv.Serve(listener) // returns when srv is closed
	}()
	stopAfterFunc := context.AfterFunc(ctx, func() { _ = srv.Close() })
	closeProxy = func() {
		stopAfterFunc()
		p.mu.Lock()
		p.isClosed = true
		p.mu.Unlock()
		_ = srv.Close() // interrupts no request, because the library, which is the only client, has finished
		<-served
	}
	return "http://" + listener.Addr().String() + prefix, closeProxy, nil
}

// RoundTrip implements http.RoundTripper. It sends a request to the repository. It returns an error for any status other than
// 200, because the library would accept a download whose checksum is missing.
func (p *downloadProxy) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	watchdog := time.AfterFunc(p.limits.stallTimeout, func() {
		cancel(fmt.Errorf("nothing came for %v", p.limits.stallTimeout))
	})
	resp, err := http.DefaultTransport.RoundTrip(req.WithContext(ctx))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.Join(fmt.Errorf("the repository answered %s for %s", resp.Status, req.URL.Redacted()), resp.Body.Close())
	}
	if err != nil {
		watchdog.Stop()
		err = p.recordFailure(ctx, err)
		cancel(nil)
		return nil, err
	}
	resp.Body = &watchedBody{
		proxy: p, ctx: ctx, cancel: cancel, watchdog: watchdog,
		body: resp.Body, total: resp.ContentLength,
		showProgress: strings.HasSuffix(req.URL.Path, ".jar"), // the archive; the checksum is too small to report
	}
	return resp, nil
}

// recordFailure returns the failure of a request, and stores the first failure of the proxy. The failure is the cause with which ctx
// has ended. If ctx has not ended, it is err.
func (p *downloadProxy) recordFailure(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failure == nil {
		p.failure = err
	}
	return err
}

// firstFailure returns the error of the first request that failed, or nil if no request failed.
func (p *downloadProxy) firstFailure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failure
}

// reportProgress reports the progress of the download: done of total bytes. If the total is unknown, it must be -1.
func (p *downloadProxy) reportProgress(done, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.isClosed:
	case total > 0:
		p.report(fmt.Sprintf("downloading %s: %d of %d MB", p.name, done/megabyte, total/megabyte))
	default:
		p.report(fmt.Sprintf("downloading %s: %d MB", p.name, done/megabyte))
	}
}

// A watchedBody is a response body that enforces the downloadLimits and reports the progress.
type watchedBody struct {
	proxy        *downloadProxy
	ctx          context.Context
	cancel       context.CancelCauseFunc
	watchdog     *time.Timer // cancels the request when no data arrives
	body         io.ReadCloser
	total        int64 // the length of the body in bytes, -1 if unknown
	done         int64 // the number of bytes read so far
	showProgress bool
}

func (b *watchedBody) Read(buf []byte) (int, error) {
	n, err := b.body.Read(buf)
	b.watchdog.Reset(b.proxy.limits.stallTimeout)
	stepsBefore := b.done / progressStep
	b.done += int64(n)
	isNewStep := b.done/progressStep > stepsBefore
	if b.showProgress && n > 0 && (isNewStep || b.done == b.total) {
		b.proxy.reportProgress(b.done, b.total)
	}
	if limit := b.proxy.limits.maxSize; b.done > limit {
		err = fmt.Errorf("the download has more than %d MB", limit/megabyte)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = b.proxy.recordFailure(b.ctx, err)
	}
	return n, err
}

func (b *watchedBody) Close() error {
	b.watchdog.Stop()
	b.cancel(nil)
	return b.body.Close()
}
