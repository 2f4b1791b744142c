//go:build e2e

package e2e

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/pgtest"
)

// An outageTest is a run against a server that belongs to the test. pawl reaches the server through a proxy.
type outageTest struct {
	*fixture

	server *pgtest.LocalServer
	proxy  *proxy
	admin  string // the URL of the server, not through the proxy
}

// outageRecords is the number of records of an outageTest, and outagePage the size of its pages.
const (
	outageRecords = 4000
	outagePage    = 50
)

// newOutageTest starts a server, and an API that takes some time for each page, so that the test can disturb the server in the middle of a
// run.
func newOutageTest(t *testing.T) *outageTest {
	t.Helper()
	server := pgtest.StartLocal(t)
	proxy, databaseURL := newProxyFor(t, "database", server.URL("postgres"))
	m := startMock(t, "--events", strconv.Itoa(outageRecords), "--rate-limit", "0", "--latency", "20ms")
	f := newFixture(t, m.environment) // its database is not used
	f.env, f.databaseURL = m.environment(databaseURL), databaseURL
	return &outageTest{fixture: f, server: server, proxy: proxy, admin: server.URL("postgres")}
}

// startRun starts a run and returns when it has stored some pages.
func (o *outageTest) startRun(args ...string) *process {
	o.t.Helper()
	p := o.start(append([]string{"run", "--page-size", strconv.Itoa(outagePage), "--log-level", "debug"}, args...)...)
	eventually(o.t, "pages are stored", func() bool { return p.stderr.count("page stored") >= 10 || !p.isRunning() })
	return p
}

// waitUntilAway waits until the run has noticed several times that its database is away.
func (o *outageTest) waitUntilAway(p *process) {
	o.t.Helper()
	eventually(o.t, "the run tries again", func() bool { return p.stderr.count("trying again, the database is away") >= 3 || !p.isRunning() })
	if !strings.Contains(p.stderr.String(), "trying_until=") {
		o.t.Errorf("got a log that does not say until when the run tries: %s", p.stderr.String())
	}
}

// checkComplete checks that all events are stored, each once, and that the database is consistent.
func (o *outageTest) checkComplete() {
	o.t.Helper()
	db := connect(o.t, o.admin)
	if got := db.queryInt("SELECT count(*) FROM events"); got != outageRecords {
		o.t.Errorf("got %d events, want %d", got, outageRecords)
	}
	if passes := db.queryInt("SELECT max(pass) FROM pages"); passes != 1 {
		o.t.Errorf("got %d passes, want 1", passes)
	}
	db.checkLedger()
	o.runPawl(exitDone, "verify")
}

// TestDatabaseRestarts checks that a run outlasts a PostgreSQL that crashes in the middle and comes back some seconds later.
func TestDatabaseRestarts(t *testing.T) {
	t.Parallel()
	o := newOutageTest(t)
	p := o.startRun()
	o.server.Stop()
	o.waitUntilAway(p)
	o.server.Start()
	o.expectExit(p, exitDone)
	o.checkComplete()
}

// TestDatabaseReadOnly checks that a run outlasts a server that accepts no writes for some time, as after a failover.
func TestDatabaseReadOnly(t *testing.T) {
	t.Parallel()
	o := newOutageTest(t)
	p := o.startRun()
	setReadOnly := func(value string) {
		admin := connect(t, o.admin)
		admin.exec("ALTER SYSTEM SET default_transaction_read_only = " + value)
		admin.exec("SELECT pg_reload_conf()")
	}
	setReadOnly("on")
	o.waitUntilAway(p)
	if !strings.Contains(p.stderr.String(), "database-read-only") {
		t.Errorf("got a log without the code database-read-only: %s", p.stderr.String())
	}
	setReadOnly("off")
	o.expectExit(p, exitDone)
	o.checkComplete()

	setReadOnly("on") // now from the start
	refused := o.runPawl(exitRetryLater, "run", "--new-pass", "--max-outage", "2s").stderr.String()
	if !strings.Contains(refused, "[database-read-only]") || !strings.Contains(refused, "--max-outage") {
		t.Errorf("got %q, want the code database-read-only and --max-outage", refused)
	}
	p = o.start("run", "--new-pass", "--page-size", strconv.Itoa(outagePage), "--log-level", "debug")
	o.waitUntilAway(p)
	setReadOnly("off")
	o.expectExit(p, exitDone)
}

// TestDatabaseCutOff checks that a run outlasts a network that is cut, and one that loses all answers of the server.
func TestDatabaseCutOff(t *testing.T) {
	t.Parallel()
	o := newOutageTest(t)
	p := o.startRun()
	o.proxy.stop()
	o.waitUntilAway(p)
	o.proxy.restart()
	eventually(t, "more pages are stored", func() bool { return p.stderr.count("page stored") >= 30 || !p.isRunning() })
	o.proxy.dropAnswers()
	admin := connect(t, o.admin)
	eventually(t, "the run waits for answers", func() bool {
		return admin.queryInt(`SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pawl/%'
			AND state_change > clock_timestamp() - interval '2 s'`) == 0
	})
	o.proxy.removeFaults() // cuts the connections that lost data
	o.expectExit(p, exitDone)
	o.checkComplete()
}

// TestDatabaseOutOfConnections checks that a run waits for a connection if its role has none left.
func TestDatabaseOutOfConnections(t *testing.T) {
	t.Parallel()
	o := newOutageTest(t)
	admin := connect(t, o.admin)
	admin.exec("CREATE ROLE pawl LOGIN PASSWORD 'pawl'; GRANT ALL ON SCHEMA public TO pawl")
	o.env = append(o.env, "DATABASE_URL="+pgtest.WithParam(t, pgtest.WithParam(t, o.databaseURL, "user", "pawl"), "password", "pawl"))
	p := o.startRun()
	admin.exec("ALTER ROLE pawl CONNECTION LIMIT 0")
	admin.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'pawl/%'")
	o.waitUntilAway(p)
	if !strings.Contains(p.stderr.String(), "too many connections for role") {
		t.Errorf("got a log that does not name the cause: %s", p.stderr.String())
	}
	admin.exec("ALTER ROLE pawl CONNECTION LIMIT -1")
	o.expectExit(p, exitDone)
	o.checkComplete()
}

// TestDatabaseAwayTooLong checks that a run ends with exit code 3 when the database was away for --max-outage, that the message names the
// cause and the flag, and that the next run completes the stream.
func TestDatabaseAwayTooLong(t *testing.T) {
	t.Parallel()
	o := newOutageTest(t)
	p := o.startRun("--max-outage", "3s")
	o.server.Stop()
	o.waitForEnd(p)
	if code := p.cmd.ProcessState.ExitCode(); code != exitRetryLater {
		t.Errorf("got exit %d, want %d: %s", code, exitRetryLater, p.stderr.String())
	}
	message := lastLine(p.stderr.String())
	for _, want := range []string{"stopped after 3s", "--max-outage", "127.0.0.1", "[database-unreachable]"} {
		if !strings.Contains(message, want) {
			t.Errorf("got message %q, want it to contain %q", message, want)
		}
	}
	o.server.Start()
	o.runPawl(exitDone, "run", "--page-size", strconv.Itoa(outagePage))
	o.checkComplete()
}

// TestDatabaseDiskFull checks that a run on a full disk ends with exit code 3 after --max-outage, and that after making room the next run
// completes the stream. The disk is a small volume in memory, which only root can mount.
func TestDatabaseDiskFull(t *testing.T) {
	t.Parallel()
	server := pgtest.StartLocal(t)
	volume := filepath.Join(server.Folder(), "volume")
	mountVolume(t, volume, "16m")
	server.Own(volume)
	admin := connect(t, server.URL("postgres"))
	admin.exec("CREATE TABLESPACE small LOCATION '" + volume + "'")
	t.Cleanup(func() { admin.exec("DROP DATABASE IF EXISTS small WITH (FORCE)"); admin.exec("DROP TABLESPACE small") })
	admin.exec("CREATE DATABASE small TABLESPACE small TEMPLATE template0 ENCODING 'UTF8'")
	const records = 150_000 // more than twice as large as the volume
	m := startMock(t, "--events", strconv.Itoa(records), "--rate-limit", "0")
	f := newFixture(t, m.environment)
	f.env = m.environment(server.URL("small"))
	p := f.runPawl(exitRetryLater, "run", "--page-size", "1000", "--max-outage", "3s")
	message := lastLine(p.stderr.String())
	for _, want := range []string{"No space left on device", "disk", "--max-outage", "[database-disk-full]"} {
		if !strings.Contains(message, want) {
			t.Errorf("got message %q, want it to contain %q", message, want)
		}
	}
	remountVolume(t, volume, "256m")
	f.runPawl(exitDone, "run", "--page-size", "1000")
	db := connect(t, server.URL("small"))
	if got := db.queryInt("SELECT count(*) FROM events"); got != records {
		t.Errorf("got %d events, want %d", got, records)
	}
	db.checkLedger()
	f.runPawl(exitDone, "verify")
}

// waitForEnd waits until the process has ended. Unlike process.wait, it does not look into the database.
func (o *outageTest) waitForEnd(p *process) {
	o.t.Helper()
	eventually(o.t, "the run ends", func() bool { return !p.isRunning() })
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// mountVolume mounts a volume of that size in memory at the folder. It skips the test if that is not allowed.
func mountVolume(t *testing.T, folder, size string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "mkdir", "-p", folder).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", folder).CombinedOutput(); err != nil {
		t.Skipf("only root can mount a small volume: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", folder).Run() }) //nolint:noctx // the test's context has ended
}

// remountVolume changes the size of a volume.
func remountVolume(t *testing.T, folder, size string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "mount", "-o", "remount,size="+size, folder).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}
