//go:build unix

package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	localPatience = time.Minute
	portAttempts  = 5
)

// openLocal makes a server in a temporary folder with the programs on this machine. It listens on loopback only, with a
// random password, since every user of the machine can reach that; a socket's path could be too long for the system.
func openLocal(ctx context.Context, logf logf) (*server, error) {
	programs, err := findPrograms(ctx, logf)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, localPatience)
	defer cancel()
	home, err := newHome(ctx, programs)
	if err != nil {
		return nil, err
	}
	password := rand.Text()
	if err := home.initdb(ctx, password); err != nil {
		return nil, errors.Join(err, home.remove())
	}
	for range portAttempts {
		var port int
		var postgres *process
		port, err = freePort(ctx)
		if err == nil {
			postgres, err = home.serve(ctx, port)
		}
		if err == nil {
			hostPort := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
			stop := func(ctx context.Context) error { return errors.Join(postgres.quit(ctx), home.remove()) }
			return newServer(superuserURL(hostPort, password), stop), nil
		}
	}
	return nil, errors.Join(err, home.remove())
}

// initdb makes the data folder. The C locale is the one that every system has.
func (h *home) initdb(ctx context.Context, password string) error {
	file := filepath.Join(h.dir, "password")
	if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
		return err
	}
	if err := h.give(file); err != nil {
		return err
	}
	out, err := h.command(ctx, "initdb", "--pgdata", h.data(), "--username", "postgres", "--pwfile", file,
		"--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync").CombinedOutput()
	if err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return os.Remove(file)
}

// freePort is one that was free a moment ago: whoever else takes it first makes postgres exit, and the caller try again.
func freePort(ctx context.Context) (int, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// serve starts postgres and waits until it says in its pid file that it is ready: an answer on the port could be
// another server's.
func (h *home) serve(ctx context.Context, port int) (*process, error) {
	args := append([]string{
		"-D", h.data(), "-p", strconv.Itoa(port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
	}, settings()...)
	postgres, err := h.launch(h.command(context.WithoutCancel(ctx), "postgres", args...))
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !h.ready(postgres.pid()) {
		select {
		case <-tick.C:
		case <-postgres.exited:
			return nil, fmt.Errorf("postgres ended: %w\n%s", postgres.err, h.log())
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("postgres does not get ready: %w\n%s", ctx.Err(), h.log()), postgres.kill())
		}
	}
	return postgres, nil
}

// ready reads the file that postgres keeps: its pid in the first line, its state in the eighth.
func (h *home) ready(pid int) bool {
	file, err := os.ReadFile(filepath.Join(h.data(), "postmaster.pid"))
	if err != nil {
		return false
	}
	lines := strings.Split(string(file), "\n")
	return len(lines) >= 8 && lines[0] == strconv.Itoa(pid) && strings.TrimSpace(lines[7]) == "ready"
}
