//go:build e2e

package e2e

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// A follower reads a stream's events as somebody downstream would: it remembers the last page_id it has read, and asks for
// what came behind it, again and again, while runs are killed and letters replayed.
type follower struct {
	url  string
	last int64
	met  map[string]int // by event id, how often
	stop context.CancelFunc
	done chan struct{}
}

// follow begins to read, until the test ends or finish is called.
func follow(t *testing.T, databaseURL string) *follower {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	f := &follower{url: databaseURL, met: map[string]int{}, stop: stop, done: make(chan struct{})}
	go func() {
		defer close(f.done)
		for ctx.Err() == nil {
			f.readOn(ctx) // until its connection is lost: the server is crashed now and then
		}
	}()
	t.Cleanup(f.leave)
	return f
}

// readOn asks again and again over one connection.
func (f *follower) readOn(ctx context.Context) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	conn, err := pgx.Connect(ctx, f.url)
	if err == nil {
		defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it was only read
	}
	for err == nil {
		err = f.read(ctx, conn)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
	select {
	case <-tick.C:
	case <-ctx.Done():
	}
}

// read takes what came behind the last page. An answer that breaks off is not taken at all.
func (f *follower) read(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, `SELECT id::text, page_id FROM event_arrivals WHERE stream = 'datasync' AND page_id > $1`, f.last)
	if err != nil {
		return err
	}
	var ids []string
	var id string
	var page int64
	last := f.last
	_, err = pgx.ForEachRow(rows, []any{&id, &page}, func() error {
		ids, last = append(ids, id), max(last, page)
		return nil
	})
	if err != nil {
		return err
	}
	f.last = last
	for _, id := range ids {
		f.met[id]++
	}
	return nil
}

func (f *follower) leave() {
	f.stop()
	<-f.done
}

// finish reads to the end and fails the test unless each event that is stored was met, and met once.
func (f *follower) finish(d *database) {
	d.t.Helper()
	f.leave()
	if err := f.read(d.ctx, d.conn); err != nil {
		d.t.Fatal(err)
	}
	again := 0
	for _, n := range f.met {
		if n > 1 {
			again++
		}
	}
	if events := d.count("SELECT count(*) FROM events"); len(f.met) != events || again > 0 {
		d.t.Errorf("who follows page_id met %d of %d events, %d of them more than once", len(f.met), events, again)
	}
}
