//go:build unix

package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/embeddedpg/pgprograms"
)

// poolerConfig is the configuration of PgBouncer. It has the mode that shares connections most, and the defaults for all the rest.
const poolerConfig = `[databases]
%s = host=%s port=%s

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = trust
auth_file = %s
pool_mode = transaction
logfile = %s
`

// Pooler starts the connection pooler PgBouncer before the server of a database, in transaction mode, and returns the URL of the database
// through it. PgBouncer's program must be installed. The pooler stops when the test ends.
func Pooler(tb testing.TB, databaseURL string) string {
	tb.Helper()
	target, err := url.Parse(databaseURL)
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	path, err := exec.LookPath("pgbouncer")
	if err != nil {
		path = "/usr/sbin/pgbouncer" // Debian's folder, which is not in each user's PATH
	}
	if _, err := os.Stat(path); err != nil {
		tb.Fatalf("pgtest: install pgbouncer, for example with apt-get install pgbouncer: %v", err)
	}
	var port int
	for range portAttempts {
		if port, err = startPooler(tb, path, target); err == nil {
			break
		}
	}
	if err != nil {
		tb.Fatalf("pgtest: start pgbouncer: %v", err)
	}
	return (&url.URL{
		Scheme: target.Scheme, User: target.User, Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Path: target.Path,
	}).String()
}

// startPooler starts PgBouncer on a free port, waits until it accepts connections, and returns the port.
func startPooler(tb testing.TB, path string, target *url.URL) (port int, err error) {
	tb.Helper()
	account, err := pgprograms.Unprivileged() // PgBouncer refuses to run as root
	if err != nil {
		return 0, err
	}
	d := &localDir{account: account}
	//nolint:usetesting // the temporary folder of a test is closed to other accounts
	if d.path, err = os.MkdirTemp("/tmp", "pawl-pooler-"); err != nil {
		return 0, err
	}
	tb.Cleanup(func() { _ = os.RemoveAll(d.path) })
	if port, err = findFreePort(tb.Context()); err != nil {
		return 0, err
	}
	password, _ := target.User.Password()
	users, config := filepath.Join(d.path, "users.txt"), filepath.Join(d.path, "pgbouncer.ini")
	for file, text := range map[string]string{
		users:  fmt.Sprintf("%q %q\n", target.User.Username(), password),
		config: fmt.Sprintf(poolerConfig, strings.TrimPrefix(target.Path, "/"), target.Hostname(), target.Port(), port, users, d.logFile()),
	} {
		if err := errors.Join(os.WriteFile(file, []byte(text), 0o600), d.chown(file)); err != nil {
			return 0, err
		}
	}
	if err := d.chown(d.path); err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(context.WithoutCancel(tb.Context()), path, "--quiet", config)
	cmd.Dir = d.path
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: account, Setpgid: true}
	ended := make(chan struct{})
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	tb.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	return port, waitForPort(tb.Context(), port, ended, d)
}

// waitForPort waits until a program accepts connections at the port. It returns an error if the program has ended before.
func waitForPort(ctx context.Context, port int, ended <-chan struct{}, d *localDir) error {
	ctx, cancel := context.WithTimeout(ctx, localTimeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		connection, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return connection.Close()
		}
		select {
		case <-tick.C:
		case <-ended:
			return fmt.Errorf("it ended: %s", d.readLog())
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}
