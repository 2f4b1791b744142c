package main

import (
	"context"
	"net"
	"testing"

	"github.com/pawldata/pawl/internal/domain"
)

// TestServeDemo_Stopped checks that a demo which waits for its port ends as Stopped if its context ends, and as Invalid if the port stays
// in use.
func TestServeDemo_Stopped(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() //nolint:errcheck // nothing was sent
	port := listener.Addr().(*net.TCPAddr).Port
	stopped, stop := context.WithCancel(t.Context())
	stop()
	for name, tt := range map[string]struct {
		ctx  context.Context
		want domain.Kind
	}{"stopped": {stopped, domain.Stopped}, "in use": {t.Context(), domain.Invalid}} {
		if _, _, _, err := serveDemo(tt.ctx, port); domain.KindOf(err) != tt.want {
			t.Errorf("%s: got error %v, want kind %v", name, err, tt.want)
		}
	}
}
