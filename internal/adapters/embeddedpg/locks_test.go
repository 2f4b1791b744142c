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

// TestLaunch_InvisibleServer checks that lockServer fails while a server in another container uses the data. Such a server holds
// server.lock, but its process is not visible here. To simulate such a server, the test changes the data folder in the pid file.
// When the pid file is right again, launch must start no second server.
func TestLaunch_InvisibleServer(t *testing.T) {
	c, dir := testConfig(t), makePublicTempDir(t)
	srv := c.mustOpen(t, dir)
	d := srv.dir
	pidFile := filepath.Join(d.data(), "postmaster.pid")
	text, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	textWithOtherFolder := strings.Replace(string(text), d.data(), "/elsewhere", 1)
	if err := os.WriteFile(pidFile, []byte(textWithOtherFolder), 0o600); err != nil {
		t.Fatal(err)
	}

	const timeout = 300 * time.Millisecond
	_, err = d.lockServer(t.Context(), timeout)
	if domain.KindOf(err) != domain.Transient || !strings.Contains(domain.HintOf(err), "another container") {
		t.Errorf("got kind %v: %v (%s), want Transient with a hint that names another container", domain.KindOf(err), err, domain.HintOf(err))
	}

	if err := os.WriteFile(pidFile, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if child, err := d.launch(t.Context(), srv.Bin()); child != nil || err != nil {
		t.Errorf("launch: got server %v, error %v, want no second server and no error", child, err)
	}
}

// TestChildServer_StopAfterLaunch checks that stop stops a server immediately after its launch, and that Open can start a server
// after that.
func TestChildServer_StopAfterLaunch(t *testing.T) {
	c, dir := testConfig(t), makePublicTempDir(t)
	srv := c.mustOpen(t, dir)
	mustClose(t, srv)
	d := openTestDir(t, c, dir)
	child, err := d.launch(t.Context(), srv.Bin())
	if err != nil || child == nil {
		t.Fatalf("launch: got server %v, error %v, want a server", child, err)
	}
	if err := child.stop(t.Context()); err != nil {
		t.Errorf("stop: got %v, want no error", err)
	}
	if !child.hasEnded() {
		t.Error("the server still runs after stop")
	}
	mustClose(t, c.mustOpen(t, dir))
}

// TestLockServer_WaitsForLastServerProcess checks that lockServer waits for the last process of a killed server. The server's main
// process has ended, but the process of a query still runs.
func TestLockServer_WaitsForLastServerProcess(t *testing.T) {
	c, dir := testConfig(t), makePublicTempDir(t)
	srv := c.mustOpen(t, dir)
	d := srv.dir
	pm, err := d.readPostmaster(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	waitForQuery := startLongQuery(t, srv.URL())
	if err := syscall.Kill(pm.pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the killed main process to end", func() bool { return !servesData(t.Context(), pm.pid, pm.data) })
	lock, err := d.lockServer(t.Context(), serverLockTimeout)
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Close(); err != nil {
		t.Error(err)
	}
	waitForQuery()
}
