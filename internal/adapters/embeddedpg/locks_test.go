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

// TestLaunch_InvisibleServer simulates a server in another container: it has the data open, and its pid file names
// nothing on this machine.
func TestLaunch_InvisibleServer(t *testing.T) {
	c, dir := testConfig(t), makePublicTempDir(t)
	srv := c.mustOpen(t, dir)
	d := srv.dir
	pidFile := filepath.Join(d.data(), "postmaster.pid")
	text, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	hidden := strings.Replace(string(text), d.data(), "/elsewhere", 1)
	if err := os.WriteFile(pidFile, []byte(hidden), 0o600); err != nil {
		t.Fatal(err)
	}

	_, err = d.lockServer(t.Context(), 300*time.Millisecond)
	if domain.KindOf(err) != domain.Transient || !strings.Contains(domain.HintOf(err), "another container") {
		t.Errorf("got kind %v: %v (%s), want Transient with a hint at containers", domain.KindOf(err), err, domain.HintOf(err))
	}

	if err := os.WriteFile(pidFile, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if child, err := d.launch(t.Context(), srv.Bin()); child != nil || err != nil {
		t.Errorf("got %v, %v; want no second server", child, err)
	}
}

func TestChildServer_StopAfterLaunch(t *testing.T) {
	c, dir := testConfig(t), makePublicTempDir(t)
	srv := c.mustOpen(t, dir)
	mustClose(t, srv)
	d := openTestDir(t, c, dir)
	child, err := d.launch(t.Context(), srv.Bin())
	if err != nil || child == nil {
		t.Fatal(child, err)
	}
	if err := child.stop(t.Context()); err != nil || !child.hasEnded() {
		t.Errorf("the server still runs: %v", err)
	}
	mustClose(t, c.mustOpen(t, dir))
}

func TestLockServer_WaitsForLastServerProcess(t *testing.T) {
	c, dir := testConfig(t), makePublicTempDir(t)
	srv := c.mustOpen(t, dir)
	d := srv.dir
	pm, err := d.readPostmaster(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wait := startLongQuery(t, srv.URL())
	if err := syscall.Kill(pm.pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the killed server to end", func() bool { return !servesData(t.Context(), pm.pid, pm.data) })
	lock, err := d.lockServer(t.Context(), serverLockTimeout)
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Close(); err != nil {
		t.Error(err)
	}
	wait()
}
