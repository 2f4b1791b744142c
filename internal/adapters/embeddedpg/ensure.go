package embeddedpg

import (
	"context"
	"fmt"

	"github.com/pawldata/pawl/internal/domain"
)

// ensure returns the running server, started if need be. It is called under the start lock.
func (o setup) ensure(ctx context.Context, h *home, say func(string)) (running, error) {
	pm, err := h.postmaster(ctx)
	if err != nil {
		return running{}, err
	}
	if pm.runs {
		h.boundLog()
		up, there, err := h.await(ctx, nil)
		if there || err != nil {
			return up, err
		}
	}
	programs, err := o.prepare(ctx, h, say)
	if err != nil {
		return running{}, err
	}
	say(fmt.Sprintf("starting PostgreSQL %s in %s", programs.version, h.shown))
	return h.start(ctx, programs.bin)
}

// prepare returns the programs for the data, both of which it makes sure of.
func (o setup) prepare(ctx context.Context, h *home, say func(string)) (programs, error) {
	h.sweep()
	major, err := h.major()
	if err != nil {
		return programs{}, err
	}
	found, err := o.choose(ctx, h, major, say)
	if err != nil || major != "" {
		return found, err
	}
	say("making a database in " + h.shown)
	return found, h.makeCluster(ctx, found.bin)
}

// leftAlone reports an error after which the server must not be stopped.
func leftAlone(err error) bool {
	return domain.KindOf(err) == domain.Transient
}
