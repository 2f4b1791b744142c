package embeddedpg

import (
	"context"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/gofrs/flock"

	"github.com/pawldata/pawl/internal/adapters/embeddedpg/pgprograms"
)

const scheme = "embedded:"

// Folder is DIR of "embedded:DIR"; ok is false for any other database URL.
func Folder(databaseURL string) (dir string, ok bool) {
	return strings.CutPrefix(strings.TrimSpace(databaseURL), scheme)
}

// A Server is this process's share in a running server. It stays usable whatever becomes of the other users.
type Server struct {
	home  *home
	users *flock.Flock
	url   string
	bin   string

	once sync.Once
	err  error
}

// Open attaches to the server whose data is under dir, relative to the working directory. It starts it if it doesn't
// run, makes the database if there is none, and fetches PostgreSQL's programs if the machine has none. say is called
// with a line for each thing that takes time or is not obvious, from this goroutine or another, never from two at once.
//
// The Server must be closed. Opening the same folder again, in this process or another, shares the server. An error has
// given up what Open took, a server started in vain included; it is Invalid for what the user must change, Transient
// for what may pass, Stopped if ctx ended. Every wait ends within minutes; only fetching the programs can take longer.
// A server that still recovers from a crash by then is Transient too, and goes on recovering.
func Open(ctx context.Context, dir string, say func(string)) (*Server, error) {
	return defaults().open(ctx, dir, say)
}

// A setup is what a test may want different.
type setup struct {
	folders    func() []string // of programs on this machine
	repository func() (string, error)
	limits     limits // of a download
	standIns   string // where root's data goes if dir is closed to the server's account
}

func defaults() setup {
	return setup{
		folders: pgprograms.Folders, repository: libraryRepository, limits: limits{stallPatience, maxDownload},
		standIns: "/var/lib/pawl",
	}
}

func (o setup) open(ctx context.Context, dir string, say func(string)) (*Server, error) {
	home, err := o.settle(ctx, dir, say)
	if err != nil {
		return nil, err
	}
	srv, err := o.enter(ctx, home, say)
	if err != nil {
		home.close()
		return nil, err
	}
	return srv, nil
}

// enter takes a share and makes sure of the server, while nobody else starts or stops it.
func (o setup) enter(ctx context.Context, home *home, say func(string)) (*Server, error) {
	start, err := home.lockStart(ctx, startLockPatience, say)
	if err != nil {
		return nil, err
	}
	defer start.Unlock() //nolint:errcheck // closing the file, which it does whatever it returns, gives the lock up
	users, err := home.share()
	if err != nil {
		return nil, err
	}
	running, err := o.ensure(ctx, home, say)
	if err != nil {
		return nil, home.leaveAfter(ctx, users, err)
	}
	return &Server{home: home, users: users, url: running.url(), bin: running.bin}, nil
}

// URL is the connection URL of the database, which the user in it owns. It contains the password. It stays the same
// while this share is held, unless the server dies and its port is taken meanwhile.
func (s *Server) URL() string { return s.url }

// Bin is the folder of the server's programs. psql may or may not be there.
func (s *Server) Bin() string { return s.bin }

// Close gives up this process's share, and stops the server if there is no other. Connections should be closed before:
// the server ends those it finds. It takes at most a minute or so; an error means that the server may still run, with
// no share of ours, until the next user leaves. The second call does nothing and returns the first one's error.
func (s *Server) Close() error {
	s.once.Do(func() {
		s.err = s.home.depart(s.users)
		s.home.close()
	})
	return s.err
}

// A running server, as one that asks for it needs to know it.
type running struct {
	port     int
	password string
	bin      string
}

func (r running) url() string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(databaseUser, r.password),
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(r.port)), Path: "/" + databaseName, RawQuery: "sslmode=disable",
	}
	return u.String()
}
