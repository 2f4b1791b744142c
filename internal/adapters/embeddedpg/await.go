package embeddedpg

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pawldata/pawl/internal/domain"
)

const (
	startPatience   = time.Minute
	connectPatience = 5 * time.Second
	pollInterval    = 20 * time.Millisecond
)

var errNotReady = errors.New("the server runs and is not ready: it may be recovering after a crash, or stopping")

// await watches the server until it can be used. It is not there if none runs and the launched one, if any, has ended. If the server isn't ready in time, the error is Transient.
func (h *home) await(ctx context.Context, child *launched) (up running, there bool, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, startPatience, errNotReady)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	last := errNotReady
	for {
		pm, err := h.postmaster(ctx)
		if err != nil {
			return running{}, false, err
		}
		switch {
		case pm.runs && pm.status == ready:
			up, err := h.meet(ctx, pm)
			if err == nil || pointless(err) {
				return up, true, h.op.unless(ctx, err, "restore "+h.dir+" from a copy")
			}
			last = fmt.Errorf("%w (%w)", errNotReady, err)
		case !pm.runs && child.ended():
			return running{}, false, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			if cause := context.Cause(ctx); !errors.Is(cause, errNotReady) {
				return running{}, false, h.op.ended(ctx)
			}
			return running{}, false, h.op.transient(last, "try again in a while: it goes on by itself")
		}
	}
}

// meet connects, and makes sure that it is the server of this folder which answers: only that one can prove that it
// knows the password, and a copy of the folder is told by its path.
func (h *home) meet(ctx context.Context, pm postmaster) (running, error) {
	password, err := h.password()
	if err != nil {
		return running{}, err
	}
	bin, err := h.binOf()
	if err != nil {
		return running{}, err
	}
	up := running{port: pm.port, password: password, bin: bin}
	cfg, err := pgx.ParseConfig(up.url())
	if err != nil {
		return running{}, err
	}
	cfg.RequireAuth = "scram-sha-256" // any other way would show the password to whoever listens there
	cfg.RuntimeParams["application_name"] = "pawl"
	ctx, cancel := context.WithTimeout(ctx, connectPatience)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return running{}, err
	}
	var data string
	err = conn.QueryRow(ctx, "SHOW data_directory").Scan(&data)
	if err == nil && !sameFolder(data, h.data()) {
		err = h.op.invalid(fmt.Errorf("the server on port %d uses %s", pm.port, data), "")
	}
	_ = conn.Close(ctx) // it closes the socket whatever it returns
	return up, err
}

// pointless reports an error that won't pass: of our files, or an answer about user, password or database.
func pointless(err error) bool {
	if domain.AsError(err) != nil {
		return true
	}
	answer, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (answer.Code[:min(2, len(answer.Code))] == "28" || answer.Code == "3D000")
}
