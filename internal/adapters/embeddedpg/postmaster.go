package embeddedpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pawldata/pawl/internal/domain"
)

const (
	dataFlag    = "-D"
	statusReady = "ready"

	readyTimeout   = time.Minute
	connectTimeout = 5 * time.Second
)

var errNotReady = errors.New("the server runs and is not ready: it may be recovering after a crash, or stopping")

// waitReady waits until the server accepts connections. found is false if no server runs and child has ended; child is nil
// if this process has launched none. If the server is not ready in time, the error is Transient.
func (d *serverDir) waitReady(ctx context.Context, child *childServer) (info serverInfo, found bool, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, errNotReady)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	lastErr := errNotReady
	for {
		pm, err := d.readPostmaster(ctx)
		if err != nil {
			return serverInfo{}, false, err
		}
		switch {
		case pm.runs && pm.status == statusReady:
			info, err := d.connectAndVerify(ctx, pm)
			if err == nil || isPermanent(err) {
				return info, true, d.op.wrap(ctx, err, "restore "+d.path+" from a copy")
			}
			lastErr = fmt.Errorf("%w (%w)", errNotReady, err)
		case !pm.runs && child.hasEnded():
			return serverInfo{}, false, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			if cause := context.Cause(ctx); !errors.Is(cause, errNotReady) {
				return serverInfo{}, false, d.op.endedError(ctx)
			}
			return serverInfo{}, false, d.op.transient(lastErr, "try again in a while: the server goes on by itself")
		}
	}
}

// connectAndVerify connects, and checks that the server of this folder has answered. Only that server can prove that it
// knows the password. The server of a copy of the folder knows it, too, but reports another data folder.
func (d *serverDir) connectAndVerify(ctx context.Context, pm postmaster) (serverInfo, error) {
	password, err := d.readPassword()
	if err != nil {
		return serverInfo{}, err
	}
	bin, err := d.readBin()
	if err != nil {
		return serverInfo{}, err
	}
	info := serverInfo{port: pm.port, password: password, bin: bin}
	cfg, err := pgx.ParseConfig(info.url())
	if err != nil {
		return serverInfo{}, err
	}
	cfg.RequireAuth = "scram-sha-256" // other methods would reveal the password to any program that listens there
	cfg.RuntimeParams["application_name"] = "pawl"
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return serverInfo{}, err
	}
	var data string
	err = conn.QueryRow(ctx, "SHOW data_directory").Scan(&data)
	if err == nil && !isSameFolder(data, d.data()) {
		err = d.op.invalid(fmt.Errorf("the server on port %d uses %s", pm.port, data), "")
	}
	_ = conn.Close(ctx) // it closes the socket even if it fails
	return info, err
}

// isPermanent reports whether waiting cannot help: the error is about our files, or PostgreSQL has refused the user,
// password or database.
func isPermanent(err error) bool {
	if domain.AsError(err) != nil {
		return true
	}
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (pgErr.Code[:min(2, len(pgErr.Code))] == "28" || pgErr.Code == "3D000")
}

// A postmaster is the content of the server's pid file. The server writes it when it starts and removes it when it has
// stopped.
type postmaster struct {
	pid    int // 0: there is no file
	data   string
	port   int
	status string // starting, ready, stopping, …
	runs   bool   // the process exists and serves this data; false if a crash has left the file
}

// readPostmaster reads the pid file and checks whether its server runs. Without a file it returns the zero postmaster.
func (d *serverDir) readPostmaster(ctx context.Context) (postmaster, error) {
	text, err := d.root.ReadFile(filepath.Join(dataFolder, "postmaster.pid"))
	if errors.Is(err, fs.ErrNotExist) {
		return postmaster{}, nil
	}
	if err != nil {
		return postmaster{}, d.op.invalid(fmt.Errorf("look for a running server: %w", err), "")
	}
	pm := parsePostmaster(string(text))
	pm.runs = pm.pid > 0 && isSameFolder(pm.data, d.data()) && servesData(ctx, pm.pid, pm.data)
	return pm, nil
}

// parsePostmaster parses a pid file. Lines may be missing: the file grows while the server starts.
func parsePostmaster(text string) postmaster {
	lines := strings.Split(text, "\n")
	line := func(n int) string {
		if n > len(lines) {
			return ""
		}
		return strings.TrimSpace(lines[n-1])
	}
	var pm postmaster
	if pid, err := strconv.Atoi(line(1)); err == nil && pid > 1 { // single-user servers write their number as a negative one
		pm.pid = pid
	}
	pm.port, _ = strconv.Atoi(line(4)) // 0 until it is known
	if len(lines) > 1 {
		pm.data = lines[1]
	}
	pm.status = line(8)
	return pm
}

// isSameFolder reports whether two paths lead to the same folder. A copy of a folder has a pid file with the original's
// path, and its server must not be taken for the copy's.
func isSameFolder(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b) //nolint:gosec // the user names the folder
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// readBin returns the folder of the programs that the server was last started from. The server stores its command line in
// its data folder.
func (d *serverDir) readBin() (string, error) {
	text, err := d.root.ReadFile(filepath.Join(dataFolder, "postmaster.opts"))
	if err != nil {
		return "", d.op.invalid(fmt.Errorf("look for the server's programs: %w", err), "")
	}
	program, _, _ := strings.Cut(string(text), ` "`)
	return filepath.Dir(program), nil
}
