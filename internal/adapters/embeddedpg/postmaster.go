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
	dataFlag    = "-D"    // the data folder follows this argument of PostgreSQL's programs
	statusReady = "ready" // the status in the pid file of a server that accepts connections

	readyTimeout   = time.Minute     // of waitReady
	connectTimeout = 5 * time.Second // of connectAndVerify
)

// errNotReady is the cause with which the context of waitReady ends after readyTimeout.
var errNotReady = errors.New("the server runs and is not ready: it may be recovering after a crash, or stopping")

// waitReady waits until the server accepts connections, and returns its serverInfo. child is the server that this process has
// launched, or nil if this process has launched no server. If no server runs and child has ended or is nil, found is false and err
// is nil. If a server runs and is not ready after readyTimeout, the error is Transient.
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
				return info, true, d.op.wrapError(ctx, domain.CodePrivateDatabaseDamaged, err, "restore "+d.path+" from a copy")
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
			return serverInfo{}, false, d.op.transientError(domain.CodePrivateDatabaseBusy, lastErr,
				"try again in a while: the server goes on by itself")
		}
	}
}

// connectAndVerify connects to the server and checks that it is the server of this folder. It makes two checks: the server must
// prove that it knows the password, and must report the right data folder. The server of a copy of the folder knows the password,
// but reports another data folder.
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
	cfg.RequireAuth = "scram-sha-256" // other methods would reveal the password to any program that listens on this port
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
		err = d.op.invalidError(domain.CodePrivateDatabaseDamaged, fmt.Errorf("the server on port %d uses %s", pm.port, data), "")
	}
	_ = conn.Close(ctx) // Close closes the socket even if it returns an error
	return info, err
}

// isPermanent reports whether connectAndVerify would return the same error again after a wait. This is so for an error of this
// package, for a URL that cannot be parsed, and if PostgreSQL has refused the user, the password or the database.
func isPermanent(err error) bool {
	if domain.AsError(err) != nil {
		return true
	}
	if _, isParseError := errors.AsType[*pgconn.ParseConfigError](err); isParseError {
		return true
	}
	const (
		invalidAuthorization = "28"    // the SQLSTATE codes of this class begin with 28
		invalidDatabase      = "3D000" // a SQLSTATE code
	)
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (strings.HasPrefix(pgErr.Code, invalidAuthorization) || pgErr.Code == invalidDatabase)
}

// A postmaster is the content of the server's pid file postmaster.pid. The server creates this file when it starts, and removes it
// when it has stopped.
type postmaster struct {
	pid    int    // 0 if there is no file, or if the file names no server
	data   string // the data folder
	port   int    // 0 if the server has not written the port yet
	status string // starting, ready, stopping, …
	runs   bool   // whether the server of the file runs; false if a crash has left the file
}

// readPostmaster reads the pid file and checks whether its server runs. If there is no file, it returns the zero postmaster.
func (d *serverDir) readPostmaster(ctx context.Context) (postmaster, error) {
	text, err := d.root.ReadFile(filepath.Join(dataFolder, "postmaster.pid"))
	if errors.Is(err, fs.ErrNotExist) {
		return postmaster{}, nil
	}
	if err != nil {
		return postmaster{}, d.op.invalidError(domain.CodePrivateDatabaseFolder, fmt.Errorf("look for a running server: %w", err), "")
	}
	pm := parsePostmaster(string(text))
	pm.runs = pm.pid > 0 && isSameFolder(pm.data, d.data()) && servesData(ctx, pm.pid, pm.data)
	return pm, nil
}

// parsePostmaster parses a pid file. Line 1 is the pid, line 2 the data folder, line 4 the port and line 8 the status. A server that
// starts writes the file line by line, so lines at the end may be missing. parsePostmaster does not set the field runs.
func parsePostmaster(text string) postmaster {
	lines := strings.Split(text, "\n")
	line := func(n int) string {
		if n > len(lines) {
			return ""
		}
		return strings.TrimSpace(lines[n-1])
	}
	var pm postmaster
	if pid, err := strconv.Atoi(line(1)); err == nil && pid > 1 { // a server in single-user mode writes the negative of its pid
		pm.pid = pid
	}
	pm.port, _ = strconv.Atoi(line(4)) // 0 if the line is missing
	if len(lines) > 1 {
		pm.data = lines[1] // not trimmed, since a folder's name may begin or end with a space
	}
	pm.status = line(8)
	return pm
}

// isSameFolder reports whether two paths lead to the same folder. If a folder was copied, the pid file of the copy contains the
// path of the original. The original's server must not be used for the copy.
func isSameFolder(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b) //nolint:gosec // the user names the folder
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// readBin returns the folder of the programs with which the server was started the last time. It reads this folder from the command
// line that the server stores in the file postmaster.opts.
func (d *serverDir) readBin() (string, error) {
	text, err := d.root.ReadFile(filepath.Join(dataFolder, "postmaster.opts"))
	if err != nil {
		return "", d.op.invalidError(domain.CodePrivateDatabaseFolder, fmt.Errorf("look for the server's programs: %w", err), "")
	}
	program, _, _ := strings.Cut(string(text), ` "`) // the path of postgres comes first, and then its arguments in quotes
	return filepath.Dir(program), nil
}
