package pgtest

import (
	"context"
	"errors"
	"sync"
)

// shared is global because a test reaches its package's server through testing.TB alone.
var shared cluster

// A cluster is the one server of a process and the template in it, each made when it is first needed. A failure is
// kept: every test that needs the server reports it, none tries again.
type cluster struct {
	mu          sync.Mutex
	inMain      bool
	server      *server
	serverErr   error
	template    string
	templateErr error
}

func (c *cluster) open() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inMain = true
}

func (c *cluster) running(ctx context.Context, logf logf) (*server, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.inMain {
		return nil, errors.New("nobody would stop the server: " +
			"the package needs func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }")
	}
	if c.server == nil && c.serverErr == nil {
		c.server, c.serverErr = start(ctx, ways(), logf)
	}
	return c.server, c.serverErr
}

func (c *cluster) migratedTemplate(ctx context.Context, srv *server) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.template == "" && c.templateErr == nil {
		c.template, c.templateErr = srv.create(ctx, pristine)
		if c.templateErr == nil {
			c.templateErr = migrate(ctx, srv.databaseURL(c.template))
		}
	}
	return c.template, c.templateErr
}

func (c *cluster) close(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inMain = false
	if c.server == nil {
		return nil
	}
	var dropErr error
	if c.template != "" {
		dropErr = c.server.drop(ctx, c.template)
	}
	return errors.Join(dropErr, c.server.stop(ctx))
}
