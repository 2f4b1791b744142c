package embeddedpg

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/gofrs/flock"

	"github.com/pawldata/pawl/internal/adapters/embeddedpg/pgprograms"
	"github.com/pawldata/pawl/internal/domain"
)

const scheme = "embedded:"

// Folder returns DIR of "embedded:DIR"; ok is false for any other database URL.
func Folder(databaseURL string) (dir string, ok bool) {
	return strings.CutPrefix(strings.TrimSpace(databaseURL), scheme)
}

// A Server is this process's use of a running server. It stays usable while other processes open and close theirs.
type Server struct {
	dir   *serverDir
	users *flock.Flock // held, shared, until Close
	url   string
	bin   string

	once sync.Once
	err  error
}

// Open attaches to the server whose data is under dir, relative to the working directory. It starts the server if none
// runs, creates the database if there is none, and downloads PostgreSQL's programs if the machine has none. Open calls
// report with a line for each step that takes time or is not obvious. The calls may come from other goroutines, but never
// two at once.
//
// The caller must close the Server. Opening the same folder again, in this process or another, shares the server.
//
// When Open fails it has released everything, and has stopped a server that it started in vain. The error is Invalid if
// the user must change something, Transient if it may go away by itself, and Stopped if ctx ended. Every wait ends within
// minutes, except for a download. A server that is still recovering from a crash by then is left running, and the error
// is Transient.
func Open(ctx context.Context, dir string, report func(string)) (*Server, error) {
	return defaultConfig().open(ctx, dir, report)
}

// A config is what tests change.
type config struct {
	programDirs  func() []string        // folders of PostgreSQL's programs on this machine
	repository   func() (string, error) // the URL to download programs from
	limits       downloadLimits
	fallbackRoot string // where root's data goes if the server's account cannot enter the folder
}

func defaultConfig() config {
	return config{
		programDirs: pgprograms.Folders, repository: libraryRepository,
		limits:       downloadLimits{stallTimeout, maxDownload},
		fallbackRoot: "/var/lib/pawl",
	}
}

func (c config) open(ctx context.Context, dir string, report func(string)) (*Server, error) {
	d, err := c.openServerDir(ctx, dir, report)
	if err != nil {
		return nil, err
	}
	srv, err := c.attach(ctx, d, report)
	if err != nil {
		d.close()
		return nil, err
	}
	return srv, nil
}

// attach registers this process as a user and makes sure that the server runs. It holds the start lock meanwhile.
func (c config) attach(ctx context.Context, d *serverDir, report func(string)) (*Server, error) {
	start, err := d.lockStart(ctx, startLockTimeout, report)
	if err != nil {
		return nil, err
	}
	defer start.Unlock() //nolint:errcheck // it closes the file even if it fails, and that releases the lock
	users, err := d.lockUsers()
	if err != nil {
		return nil, err
	}
	info, err := c.ensureRunning(ctx, d, report)
	if err != nil {
		return nil, d.detachAfterFailure(ctx, users, err)
	}
	return &Server{dir: d, users: users, url: info.url(), bin: info.bin}, nil
}

// ensureRunning returns the running server and starts it if none runs. The caller holds the start lock.
func (c config) ensureRunning(ctx context.Context, d *serverDir, report func(string)) (serverInfo, error) {
	pm, err := d.readPostmaster(ctx)
	if err != nil {
		return serverInfo{}, err
	}
	if pm.runs {
		d.truncateLongLog()
		info, found, err := d.waitReady(ctx, nil)
		if found || err != nil {
			return info, err
		}
	}
	programs, err := c.prepareStart(ctx, d, report)
	if err != nil {
		return serverInfo{}, err
	}
	report(fmt.Sprintf("starting PostgreSQL %s in %s", programs.version, d.userDir))
	return d.start(ctx, programs.bin)
}

// prepareStart returns programs that match the data. It creates the database if there is none.
func (c config) prepareStart(ctx context.Context, d *serverDir, report func(string)) (programs, error) {
	d.removeUnfinished()
	major, err := d.dataVersion()
	if err != nil {
		return programs{}, err
	}
	chosen, err := c.choosePrograms(ctx, d, major, report)
	if err != nil || major != "" {
		return chosen, err
	}
	report("making a database in " + d.userDir)
	return chosen, d.createCluster(ctx, chosen.bin)
}

// URL returns the connection URL of the database, which the user in it owns. It contains the password. It stays the same
// until Close, unless the server dies and another program takes its port.
func (s *Server) URL() string { return s.url }

// Bin returns the folder of the server's programs. It may lack psql.
func (s *Server) Bin() string { return s.bin }

// Close ends this process's use of the server, and stops the server if no other process uses it. Close connections
// before: a server that stops ends them. It takes at most a minute or so. After an error the server may still run until
// the next user closes it; this process does not use it any more in any case. A second call does nothing and returns the
// first one's error.
func (s *Server) Close() error {
	s.once.Do(func() {
		s.err = s.dir.detach(s.users)
		s.dir.close()
	})
	return s.err
}

// detach unregisters this process and stops the server if that was its last user.
func (d *serverDir) detach(users *flock.Flock) error {
	ctx := context.Background()
	start, err := d.lockStart(ctx, detachTimeout, func(string) {})
	if err != nil {
		return errors.Join(err, users.Unlock())
	}
	defer start.Unlock() //nolint:errcheck // as in attach
	return d.detachLocked(ctx, users)
}

// detachLocked does the work of detach. The caller holds the start lock.
func (d *serverDir) detachLocked(ctx context.Context, users *flock.Flock) error {
	if err := users.Unlock(); err != nil {
		return d.op.invalid(fmt.Errorf("unlock the folder: %w", err), "")
	}
	exclusive := d.newLock(usersLock)
	isLast, err := exclusive.TryLock()
	if err != nil {
		return d.op.invalid(fmt.Errorf("lock the folder: %w", err), "")
	}
	if !isLast {
		return nil
	}
	defer exclusive.Unlock() //nolint:errcheck // as in attach
	return d.stop(ctx)
}

// detachAfterFailure unregisters this process after a failed start and returns failure. It stops the server, unless the
// server may still become ready.
func (d *serverDir) detachAfterFailure(ctx context.Context, users *flock.Flock, failure error) error {
	if mayBecomeReady(failure) {
		_ = users.Unlock() // it closes the file even if it fails, and that releases the lock
		return failure
	}
	_ = d.detachLocked(context.WithoutCancel(ctx), users) // failure explains more than a second error
	return failure
}

// mayBecomeReady reports whether a server that failed with err must not be stopped, because it may still be recovering.
func mayBecomeReady(err error) bool {
	return domain.KindOf(err) == domain.Transient
}

// A serverInfo is what a client needs to use a running server.
type serverInfo struct {
	port     int
	password string
	bin      string
}

func (i serverInfo) url() string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(databaseUser, i.password),
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(i.port)), Path: "/" + databaseName, RawQuery: "sslmode=disable",
	}
	return u.String()
}
