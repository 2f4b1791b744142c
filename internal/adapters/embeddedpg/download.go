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
	extractedFolder = "programs" // in the staging folder; the library extracts the programs there

	reachTimeout = 700 * time.Millisecond
	stallTimeout = 30 * time.Second
	maxDownload  = 256 << 20 // bytes; releases have about 30 MB
	progressStep = 5 << 20   // bytes
	megabyte     = 1 << 20
)

// download lets the library download, check and extract the programs into dir. The library must do nothing else: it
// cannot run a server as root, and it would delete data of another version. Its Start therefore gets a data folder that it
// cannot empty, since the name ends in a dot. Start then fails between extracting and initdb, and that error is the sign
// of success.
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
	err = library.Start()
	switch proxyErr := p.firstFailure(); {
	case proxyErr != nil:
		return proxyErr
	case err == nil:
		return errors.Join(errors.New("the library started a server of its own"), library.Stop())
	case !strings.HasPrefix(err.Error(), "unable to clean up data directory"):
		return err
	case !pgprograms.Complete(filepath.Join(dir, extractedFolder, "bin")):
		return errors.New("initdb and postgres are missing in it")
	}
	return nil
}

// libraryRepository returns the URL that the library downloads from. The library does not export it; reading it by
// reflection avoids a second copy that would have to be updated with the library.
func libraryRepository() (string, error) {
	field := reflect.ValueOf(embeddedpostgres.DefaultConfig()).FieldByName("binaryRepositoryURL")
	if !field.IsValid() || field.Kind() != reflect.String {
		return "", errors.New("the library has no field binaryRepositoryURL")
	}
	return field.String(), nil
}

// checkReachable returns an error within a second if there is no network. It does not check a proxy of the user's.
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
		port = u.Scheme // Dial accepts a service's name
	}
	dialer := net.Dialer{Timeout: reachTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return err
	}
	return conn.Close()
}

// downloadLimits end a download.
type downloadLimits struct {
	stallTimeout time.Duration // without a byte
	maxSize      int64         // bytes
}

// A downloadProxy forwards the library's requests to the repository. The library has no context, no time limit and no
// progress, and it accepts a missing checksum as a correct one. The proxy adds all of these.
type downloadProxy struct {
	upstream string
	limits   downloadLimits
	name     string // of what is downloaded
	report   func(string)

	mu      sync.Mutex
	failure error // the first one
	closed  bool
}

// serve starts the proxy on the loopback interface, under a random path. It runs until closeProxy is called or ctx ends.
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
	noLog := log.New(io.Discard, "", 0) // recordFailure has the errors
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
		_ = srv.Serve(listener) // it ends when it is closed
	}()
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	return "http://" + listener.Addr().String() + prefix, func() {
		stop()
		p.mu.Lock()
		p.closed = true
		p.mu.Unlock()
		_ = srv.Close() // its only client, the library, has finished
		<-served
	}, nil
}

// RoundTrip sends a request to the repository. Any status but 200 is an error.
func (p *downloadProxy) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	body := &watchedBody{proxy: p, cancel: cancel}
	body.watchdog = time.AfterFunc(p.limits.stallTimeout, func() { cancel(fmt.Errorf("nothing came for %v", p.limits.stallTimeout)) })
	resp, err := http.DefaultTransport.RoundTrip(req.WithContext(ctx))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.Join(fmt.Errorf("the repository answered %s for %s", resp.Status, req.URL.Redacted()), resp.Body.Close())
	}
	if err != nil {
		body.watchdog.Stop()
		err = p.recordFailure(ctx, err)
		cancel(nil)
		return nil, err
	}
	body.ctx, body.body, body.total = ctx, resp.Body, resp.ContentLength
	body.showProgress = strings.HasSuffix(req.URL.Path, ".jar")
	resp.Body = body
	return resp, nil
}

// recordFailure stores the first failure for firstFailure. It returns ctx's cause if ctx has ended, else err.
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

func (p *downloadProxy) firstFailure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failure
}

func (p *downloadProxy) reportProgress(done, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
	case total > 0:
		p.report(fmt.Sprintf("downloading %s: %d of %d MB", p.name, done/megabyte, total/megabyte))
	default:
		p.report(fmt.Sprintf("downloading %s: %d MB", p.name, done/megabyte))
	}
}

// A watchedBody is a response body with limits and progress.
type watchedBody struct {
	proxy        *downloadProxy
	ctx          context.Context
	cancel       context.CancelCauseFunc
	watchdog     *time.Timer
	body         io.ReadCloser
	total        int64 // -1 if unknown
	done         int64
	showProgress bool
}

func (b *watchedBody) Read(buf []byte) (int, error) {
	n, err := b.body.Read(buf)
	b.watchdog.Reset(b.proxy.limits.stallTimeout)
	doneBefore := b.done
	b.done += int64(n)
	if b.showProgress && n > 0 && (doneBefore/progressStep != b.done/progressStep || b.done == b.total) {
		b.proxy.reportProgress(b.done, b.total)
	}
	if limit := b.proxy.limits.maxSize; b.done > limit {
		err = fmt.Errorf("there are more than %d MB", limit/megabyte)
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
