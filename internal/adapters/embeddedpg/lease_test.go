package embeddedpg

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// A server in another container has the data open, and its pid file means nothing here.
func TestNoSecondServerWhileAnInvisibleOneHasTheData(t *testing.T) {
	o, dir := testSetup(t), passable(t)
	srv := o.mustOpen(t, dir)
	h := srv.home
	pidFile := filepath.Join(h.data(), "postmaster.pid")
	text, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	hidden := strings.Replace(string(text), h.data(), "/elsewhere", 1)
	if err := os.WriteFile(pidFile, []byte(hidden), 0o600); err != nil {
		t.Fatal(err)
	}

	_, err = h.lease(t.Context(), 300*time.Millisecond)
	if domain.KindOf(err) != domain.Transient || !strings.Contains(domain.HintOf(err), "another container") {
		t.Errorf("kind %v: %v", domain.KindOf(err), err)
	}

	if err := os.WriteFile(pidFile, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if child, err := h.launch(t.Context(), srv.Bin()); child != nil || err != nil {
		t.Errorf("launched %v beside the one that is there, %v", child, err)
	}
}

func TestServerThatWasJustLaunchedCanBeStopped(t *testing.T) {
	o, dir := testSetup(t), passable(t)
	srv := o.mustOpen(t, dir)
	mustClose(t, srv)
	h := homeIn(t, o, dir)
	child, err := h.launch(t.Context(), srv.Bin())
	if err != nil || child == nil {
		t.Fatal(child, err)
	}
	if err := child.stop(t.Context()); err != nil || !child.ended() {
		t.Errorf("it still runs: %v", err)
	}
	mustClose(t, o.mustOpen(t, dir))
}

func TestLeaseEndsWithTheLastOfTheServersProcesses(t *testing.T) {
	o, dir := testSetup(t), passable(t)
	srv := o.mustOpen(t, dir)
	h := srv.home
	pm, err := h.postmaster(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wait := busy(t, srv.URL())
	if err := syscall.Kill(pm.pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	within(t, "the killed server goes", func() bool { return !servesData(t.Context(), pm.pid, pm.data) })
	lease, err := h.lease(t.Context(), leasePatience)
	if err != nil {
		t.Fatal(err)
	}
	if err := lease.Close(); err != nil {
		t.Error(err)
	}
	wait()
}
