//go:build unix

package pgtest

import (
	"context"
	"crypto/rand"
	"net"
	"strconv"
	"testing"
	"time"
)

// A LocalServer is a server for one test, which the test can stop and start again.
type LocalServer struct {
	tb       testing.TB
	dir      *localDir
	port     int
	password string
	postgres *process // nil while the server is stopped
}

// StartLocal starts a server like that of [Local], with an empty database postgres. When the test ends, the server is stopped.
func StartLocal(tb testing.TB) *LocalServer {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), localTimeout)
	defer cancel()
	bin, err := findPrograms(ctx, tb.Logf)
	if err != nil {
		tb.Fatalf("pgtest: find the programs of PostgreSQL: %v", err)
	}
	dir, err := newLocalDir(ctx, bin)
	if err != nil {
		tb.Fatalf("pgtest: make a folder for the server: %v", err)
	}
	s := &LocalServer{tb: tb, dir: dir, password: rand.Text()}
	tb.Cleanup(func() {
		if s.postgres != nil {
			s.Stop()
		}
		if err := dir.remove(); err != nil {
			tb.Errorf("pgtest: remove the server's folder: %v", err)
		}
	})
	if err := dir.initdb(ctx, s.password); err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	if s.port, err = findFreePort(ctx); err != nil {
		tb.Fatalf("pgtest: find a port: %v", err)
	}
	s.Start()
	return s
}

// URL returns the URL of a database on the server.
func (s *LocalServer) URL(database string) string {
	u := superuserURL(net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)), s.password)
	u.Path = "/" + database
	return u.String()
}

// Start starts the server after Stop, on the same port, and returns when it is ready.
func (s *LocalServer) Start() {
	s.tb.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.tb.Context()), localTimeout)
	defer cancel()
	postgres, err := s.dir.startServer(ctx, s.port)
	if err != nil {
		s.tb.Fatalf("pgtest: start the server: %v", err)
	}
	s.postgres = postgres
}

// Stop stops the server at once, as a crash does, and returns when it has ended. The server recovers at its next start.
func (s *LocalServer) Stop() {
	s.tb.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.tb.Context()), 30*time.Second)
	defer cancel()
	if err := s.postgres.quit(ctx); err != nil {
		s.tb.Errorf("pgtest: stop the server: %v", err)
	}
	s.postgres = nil
}

// Folder returns the folder of the server's files, which the server's account can enter. It is removed when the test ends.
func (s *LocalServer) Folder() string { return s.dir.path }

// Own makes the server's account the owner of a file or folder.
func (s *LocalServer) Own(path string) {
	s.tb.Helper()
	if err := s.dir.chown(path); err != nil {
		s.tb.Fatalf("pgtest: %v", err)
	}
}
