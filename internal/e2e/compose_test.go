//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestCompose checks that `docker compose up` completes a run whose traces are in Jaeger. It also checks that a run completes if
// Jaeger stops in the middle of it, and that `docker stop` ends a run in time. pawl is process 1 of its container, which has a read-only
// file system and no capabilities.
func TestCompose(t *testing.T) {
	t.Parallel()
	parent := newProject(t)
	t.Run("traces in Jaeger", func(t *testing.T) {
		p := parent.forSubtest(t)
		p.run("up", "--detach")
		p.checkDone()
		checkTraces(t, p.database(), &jaeger{t: t, address: p.run("port", "jaeger", jaegerQueryPort)})
	})
	parent.run("down", "--volumes", "--timeout", "1")
	t.Run("Jaeger stops in the middle", func(t *testing.T) {
		p := parent.forSubtest(t)
		p.run("up", "--detach")
		db := p.database()
		eventually(t, "a fifth of the pages is stored", func() bool { return db.countPages() >= composePages/5 })
		unlock := db.lockLedger(db.conn.Config().ConnString()) // so that the run cannot end before Docker has stopped Jaeger
		p.run("stop", "--timeout", "0", "jaeger")
		unlock()
		if n := db.countPages(); n >= composePages {
			t.Fatalf("pages stored when Jaeger was stopped: got %d, want fewer than %d", n, composePages)
		}
		p.checkDone()
		if n := strings.Count(p.logLines(), "the collector does not take the traces"); n != 1 {
			t.Errorf("warnings about the collector: got %d, want 1: %s", n, p.logLines())
		}
	})
	parent.run("down", "--volumes", "--timeout", "1")
	t.Run("the container is stopped", func(t *testing.T) {
		p := parent.forSubtest(t)
		p.run("up", "--detach")
		db := p.database()
		eventually(t, "a page is stored", func() bool { return db.countPages() > 0 })
		p.run("stop", "pawl") // with Docker's default: after 10 s it would kill the process, and the exit code would be 137
		if code := p.exitCode("pawl"); code != "3" {
			t.Errorf("exit code after docker stop: got %s, want 3: %s", code, p.logLines())
		}
		db.checkLedger()
		p.run("start", "pawl")
		p.checkDone()
	})
}

// The numbers of events and pages of the run in docker-compose.yml.
const (
	composeEvents = 100_000
	composePages  = 100
)

// The ports inside the containers. Docker publishes them on free ports of this machine.
const (
	jaegerQueryPort = "16686"
	postgresPort    = "5432"
)

// composeTimeout is the maximum time of one command. A command may have to pull or build an image.
const composeTimeout = 10 * time.Minute

// A project runs docker-compose.yml with Docker Compose, on free ports and under a project name of its own.
type project struct {
	t       *testing.T
	command []string // the command of Docker Compose with the project's name, without a subcommand
}

// newProject returns a project, and removes it from Docker when the test ends. It skips the test if this machine has no Docker
// Compose or no Docker engine.
func newProject(t *testing.T) *project {
	t.Helper()
	built := buildImagesOnce()
	switch {
	case built.skipReason != "":
		t.Skip("SKIPPED: " + built.skipReason)
	case built.err != nil:
		t.Fatal(built.err)
	}
	p := &project{t: t, command: built.command}
	t.Cleanup(p.down)
	return p
}

// checkDone waits until pawl's container has exited. It checks the exit code and the numbers of stored events and pages.
func (p *project) checkDone() {
	p.t.Helper()
	if code := p.exitCode("pawl"); code != "0" {
		p.t.Fatalf("pawl's container: exit %s, want 0: %s", code, p.logLines())
	}
	db := p.database()
	if events, pages := db.queryInt("SELECT count(*) FROM events"), db.countPages(); events != composeEvents || pages != composePages {
		p.t.Errorf("got %d events in %d pages, want %d in %d", events, pages, composeEvents, composePages)
	}
	db.checkLedger()
}

// forSubtest returns the same project for a subtest, whose failures it reports.
func (p *project) forSubtest(t *testing.T) *project {
	t.Helper()
	return &project{t, p.command}
}

func (p *project) down() { p.run(composeDown...) }

// run runs a command of Docker Compose to its end and returns its output.
func (p *project) run(args ...string) string {
	p.t.Helper()
	return p.output(append(p.command, args...))
}

// exitCode waits until the container of a service has exited, and returns its exit code.
func (p *project) exitCode(service string) string {
	p.t.Helper()
	return p.output([]string{"docker", "wait", p.run("ps", "--all", "--quiet", service)})
}

// logLines returns the log lines of pawl. It leaves out all other output, such as the summary.
func (p *project) logLines() string {
	p.t.Helper()
	var lines []string
	for line := range strings.Lines(p.run("logs", "--no-color", "pawl")) {
		if strings.Contains(line, "level=") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

func (p *project) output(command []string) string {
	p.t.Helper()
	out, err := outputOf(context.WithoutCancel(p.t.Context()), command)
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

// outputOf runs a command in the folder of docker-compose.yml and returns its output.
func outputOf(ctx context.Context, command []string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, composeTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir = filepath.Join("..", "..")
	// The port 0 makes Docker publish a service on a free port.
	cmd.Env = append(os.Environ(), "POSTGRES_PORT=0", "JAEGER_PORT=0", "POSTGRES_PASSWORD=pawl")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s%s", strings.Join(command, " "), err, out, stderr.String())
	}
	return strings.TrimSpace(string(out)), nil
}

// database connects to the project's database at its published port.
func (p *project) database() *database {
	p.t.Helper()
	return connect(p.t, "postgres://pawl:pawl@"+p.run("port", "db", postgresPort)+"/pawl")
}

// A composeBuild is the result of buildImages. It has a command of Docker Compose for a project whose images are built, or else a
// skipReason or an error.
type composeBuild struct {
	command    []string // as in project
	skipReason string   // why this machine cannot run Docker Compose; "" if it can
	err        error    // why the images could not be built
}

// buildImagesOnce builds the images once, and concurrent callers wait for the result. A build takes minutes, so TestMain begins
// it before the tests. Mostly it is complete when TestCompose needs it, since TestChaos runs before and uses little CPU time.
var buildImagesOnce = sync.OnceValue(func() composeBuild { return buildImages(context.Background()) })

// composeDown is the subcommand that removes the containers, the volumes and the built images of a project.
var composeDown = []string{"down", "--volumes", "--rmi", "local", "--timeout", "1"}

// buildImages builds the images. The project's name depends on the path of this checkout, so that tests in another checkout do
// not interfere. buildImages first removes what an earlier, killed test of this checkout has left.
func buildImages(ctx context.Context) composeBuild {
	here, err := os.Getwd()
	if err != nil {
		return composeBuild{err: err}
	}
	if err := exec.CommandContext(ctx, "docker", "info").Run(); err != nil {
		return composeBuild{skipReason: fmt.Sprint("no Docker engine: docker info: ", err)}
	}
	program := findCompose(ctx)
	if program == nil {
		return composeBuild{skipReason: "no Docker Compose"}
	}
	projectName := fmt.Sprintf("pawl-e2e-%08x", crc32.ChecksumIEEE([]byte(here)))
	command := slices.Concat(program, []string{"-p", projectName})
	for _, subcommand := range [][]string{composeDown, {"build"}} {
		if _, err := outputOf(ctx, slices.Concat(command, subcommand)); err != nil {
			return composeBuild{err: err}
		}
	}
	return composeBuild{command: command}
}

// findCompose returns the command of Docker Compose, which is a plugin of docker or a program of its own. It returns nil if
// there is neither.
func findCompose(ctx context.Context) []string {
	for _, command := range [][]string{{"docker", "compose"}, {"docker-compose"}} {
		if exec.CommandContext(ctx, command[0], append(command[1:], "version")...).Run() == nil {
			return command
		}
	}
	return nil
}
