package embeddedpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/gofrs/flock"

	"github.com/pawldata/pawl/internal/adapters/embeddedpg/pgprograms"
	"github.com/pawldata/pawl/internal/domain"
)

const scheme = "embedded:"

// Folder returns DIR if databaseURL is "embedded:DIR". For any other database URL, ok is false.
func Folder(databaseURL string) (dir string, ok bool) {
	return strings.CutPrefix(strings.TrimSpace(databaseURL), scheme)
}

// A Server is a running PostgreSQL server that this process uses. Other processes may use the same PostgreSQL server. It runs until
// the last of these processes has called [Server.Close].
type Server struct {
	dir   *serverDir
	users *flock.Flock // the shared lock of users.lock, which this process holds until Close
	url   string       // the connection URL of the database
	bin   string       // the folder of the server's programs

	closeOnce sync.Once
	closeErr  error
}

// Open attaches this process to the server whose data is in dir. A relative dir is relative to the working folder. If no server
// runs, Open starts a server. If there is no database, Open creates a database. If the machine has no PostgreSQL of the data's major
// version, Open calls consent with the name of the release that it needs. If consent returns nil, Open downloads the programs, otherwise it returns that
// error. Open calls report with a message for each step that takes long or that the user may not expect. It may call report
// in other goroutines, but never twice at the same time.
//
// Open removes the variables for PostgreSQL, such as PGSERVICE, from the environment of this process, so that neither its own connections nor
// those of the caller use them.
//
// The caller must close the Server. If the same folder is opened again, in this process or in another, both share the server.
//
// If Open fails, it releases everything, and stops a server that it has started. There is one exception: if a server is still
// recovering from a crash, Open does not stop it, and returns a Transient error. The error is Invalid if the user must change
// something, Transient if another attempt may succeed, and Stopped if ctx has ended. Every wait ends within minutes, but a download
// may take longer.
func Open(ctx context.Context, dir string, report func(string), consent func(release string) error) (*Server, error) {
	c := defaultConfig()
	c.consent = consent
	return c.open(ctx, dir, report)
}

// A config contains what the caller of Open decides, and the settings that are different in tests.
type config struct {
	consent      func(release string) error // returns nil if programs may be downloaded
	programDirs  func() []string            // returns the folders with PostgreSQL's programs on this machine
	repository   func() (string, error)     // returns the URL from which programs are downloaded
	limits       downloadLimits
	fallbackRoot string // the folder that contains the fallback folders, see openServerDirAsRoot
}

func defaultConfig() config {
	return config{
		programDirs: pgprograms.Folders, repository: libraryRepository,
		limits:       downloadLimits{stallTimeout: stallTimeout, maxSize: maxDownload},
		fallbackRoot: "/var/lib/pawl",
	}
}

// HasDatabase reports whether dir has a database, so that [Open] would not make one. It changes nothing. If it cannot find out, for
// example because this user may not enter the folder, it returns true, and Open then returns the reason as its error.
func HasDatabase(dir string) bool { return defaultConfig().hasDatabase(dir) }

func (c config) hasDatabase(dir string) bool {
	path, err := resolveDir(dir)
	if err != nil {
		return true
	}
	places := []string{filepath.Join(path, serverDirName)}
	if os.Geteuid() == 0 {
		places = append(places, filepath.Join(c.fallbackRoot, fallbackNameFor(path)))
	}
	return slices.ContainsFunc(places, func(serverDir string) bool {
		_, err := os.Lstat(filepath.Join(serverDir, versionFile))
		return !errors.Is(err, fs.ErrNotExist)
	})
}

func (c config) open(ctx context.Context, dir string, report func(string)) (*Server, error) {
	unsetPostgresVariables()
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

// unsetPostgresVariables removes all variables with a name like PGSERVICE from the environment of this process. pgx.ParseConfig reads them
// in addition to the URL, and a URL cannot replace all of them. They are meant for another server: the URL of this one is complete.
func unsetPostgresVariables() {
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "PG") {
			_ = os.Unsetenv(name) // it fails only for a name that is not valid
		}
	}
}

// attach registers this process as a user of the server, and starts the server if it does not run. While it does so, attach holds the
// start lock, so that no other process starts or stops the server.
func (c config) attach(ctx context.Context, d *serverDir, report func(string)) (*Server, error) {
	start, err := d.lockStart(ctx, startLockTimeout, report)
	if err != nil {
		return nil, err
	}
	defer start.Unlock() //nolint:errcheck // Unlock releases the lock even if it fails, because it closes the file
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

// ensureRunning starts the server if it does not run, waits until it is ready, and returns its serverInfo. The caller must hold the
// start lock.
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
	chosen, err := c.prepareStart(ctx, d, report)
	if err != nil {
		return serverInfo{}, err
	}
	report(fmt.Sprintf("starting PostgreSQL %s in %s", chosen.version, d.userDir))
	return d.start(ctx, chosen.bin)
}

// prepareStart chooses programs that match the data's version and returns them. If there is no database, it creates one.
func (c config) prepareStart(ctx context.Context, d *serverDir, report func(string)) (programs, error) {
	d.removeUnfinished()
	major, err := d.dataVersion()
	if err != nil {
		return programs{}, err
	}
	chosen, err := c.choosePrograms(ctx, d, major, report)
	hasDatabase := major != ""
	if err != nil || hasDatabase {
		return chosen, err
	}
	report("making a database in " + d.userDir)
	return chosen, d.createCluster(ctx, chosen.bin)
}

// URL returns the connection URL of the database. The URL contains the name and the password of the database's owner. The URL is
// valid until Close. But if the server crashes and another program takes its port, the URL is not valid any more.
func (s *Server) URL() string { return s.url }

// Bin returns the folder of the server's programs. This folder may not contain psql.
func (s *Server) Bin() string { return s.bin }

// Close unregisters this process as a user of the server. If the server has no other user, Close stops it. A server that stops ends
// its connections, so the caller should close its own connections before. Close takes about a minute at most. If Close returns an
// error, this process is unregistered, but the server may run until the next process closes it. A second call does nothing and
// returns the error of the first call.
func (s *Server) Close() error {
	s.closeOnce.Do(func() {
		s.closeErr = s.dir.detach(s.users)
		s.dir.close()
	})
	return s.closeErr
}

// detach unregisters this process as a user of the server, and stops the server if it has no other user.
func (d *serverDir) detach(users *flock.Flock) error {
	ctx := context.Background()
	start, err := d.lockStart(ctx, detachTimeout, func(string) {})
	if err != nil {
		return errors.Join(err, users.Unlock())
	}
	defer start.Unlock() //nolint:errcheck // Unlock releases the lock even if it fails
	return d.detachLocked(ctx, users)
}

// detachLocked does the work of detach. The caller must hold the start lock.
func (d *serverDir) detachLocked(ctx context.Context, users *flock.Flock) error {
	if err := users.Unlock(); err != nil {
		return d.op.invalidError(domain.CodePrivateDatabaseFolder, fmt.Errorf("unlock the folder: %w", err), "")
	}
	exclusive := d.newLock(usersLock)
	isLast, err := exclusive.TryLock() // succeeds if no other process holds the shared lock
	if err != nil {
		return d.op.invalidError(domain.CodePrivateDatabaseFolder, fmt.Errorf("lock the folder: %w", err), "")
	}
	if !isLast {
		return nil
	}
	defer exclusive.Unlock() //nolint:errcheck // Unlock releases the lock even if it fails
	return d.stop(ctx)
}

// detachAfterFailure unregisters this process after a failed start, and returns failure. If the server has no other user and cannot
// become ready any more, it also stops the server.
func (d *serverDir) detachAfterFailure(ctx context.Context, users *flock.Flock, failure error) error {
	if mayBecomeReady(failure) {
		_ = users.Unlock() // Unlock releases the lock even if it fails, because it closes the file
		return failure
	}
	_ = d.detachLocked(context.WithoutCancel(ctx), users) // its error is dropped, because failure explains more
	return failure
}

// mayBecomeReady reports whether a server may still be recovering after its start has failed with err. Such a server must not be
// stopped. waitReady returns a Transient error for it.
func mayBecomeReady(err error) bool {
	return domain.KindOf(err) == domain.Transient
}

// A serverInfo contains the facts that a client needs to use a running server.
type serverInfo struct {
	port     int
	password string
	bin      string // the folder of the server's programs
}

func (i serverInfo) url() string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(databaseUser, i.password),
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(i.port)), Path: "/" + databaseName, RawQuery: "sslmode=disable",
	}
	return u.String()
}
