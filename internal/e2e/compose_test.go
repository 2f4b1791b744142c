//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestCompose checks that `docker compose up` completes a run whose traces are in Jaeger, and that a run also completes if
// Jaeger stops in the middle.
func TestCompose(t *testing.T) {
	t.Parallel()
	whole := newProject(t)
	t.Run("traces in Jaeger", func(t *testing.T) {
		p := whole.withT(t)
		p.run("up", "--detach")
		p.checkDone()
		checkTraces(t, p.database(), &jaeger{t, p.run("port", "jaeger", "16686")})
	})
	whole.run("down", "--volumes", "--timeout", "1")
	t.Run("Jaeger stops in the middle", func(t *testing.T) {
		p := whole.withT(t)
		p.run("up", "--detach")
		db := p.database()
		eventually(t, "20 pages are stored", func() bool { return db.pages() >= 20 })
		unlock := db.lockLedger(db.conn.Config().ConnString()) // the run could end before Docker has stopped the container
		p.run("stop", "--timeout", "0", "jaeger")
		unlock()
		if n := db.pages(); n >= 100 {
			t.Fatalf("Jaeger was stopped after the run's end: %d pages are stored", n)
		}
		p.checkDone()
		if n := strings.Count(p.stderr("pawl"), "the collector does not take the traces"); n != 1 {
			t.Errorf("got %d warnings about the collector, want 1: %s", n, p.stderr("pawl"))
		}
	})
}

// composeTimeout bounds one command, which may have to pull or build an image.
const composeTimeout = 10 * time.Minute

// A project runs docker-compose.yml under a project name of its own, on free ports.
type project struct {
	t       *testing.T
	command []string
}

// newProject returns a project that is removed when the test ends. It skips the test if there is no Docker Compose or no
// Docker engine.
func newProject(t *testing.T) *project {
	t.Helper()
	ready := compose()
	switch {
	case ready.skip != "":
		t.Skip("SKIPPED: " + ready.skip)
	case ready.err != nil:
		t.Fatal(ready.err)
	}
	p := &project{t: t, command: ready.command}
	t.Cleanup(p.down)
	return p
}

// checkDone waits until pawl has exited with 0 and checks the numbers of events and pages.
func (p *project) checkDone() {
	p.t.Helper()
	if code := p.exitCode("pawl"); code != "0" {
		p.t.Fatalf("exit %s: %s", code, p.stderr("pawl"))
	}
	db := p.database()
	if events, pages := db.count("SELECT count(*) FROM events"), db.pages(); events != 100000 || pages != 100 {
		p.t.Errorf("got %d events in %d pages, want 100000 in 100", events, pages)
	}
	db.checkLedger()
}

// withT returns the project for a subtest.
func (p *project) withT(t *testing.T) *project {
	t.Helper()
	return &project{t, p.command}
}

func (p *project) down() { p.run(composeDown...) }

// run runs a command of Docker Compose to its end and returns its output.
func (p *project) run(args ...string) string {
	p.t.Helper()
	return p.output(append(p.command, args...))
}

// exitCode waits until a service ends and returns its exit code.
func (p *project) exitCode(service string) string {
	p.t.Helper()
	return p.output([]string{"docker", "wait", p.run("ps", "--all", "--quiet", service)})
}

// stderr returns the log lines that a service has written.
func (p *project) stderr(service string) string {
	p.t.Helper()
	var lines []string
	for line := range strings.Lines(p.run("logs", "--no-color", service)) {
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
	return connect(p.t, "postgres://pawl:pawl@"+p.run("port", "db", "5432")+"/pawl")
}

// A composition is the command of Docker Compose, with the project's images built.
type composition struct {
	command []string // without the subcommand
	skip    string   // why Docker Compose cannot be used here
	err     error
}

// compose builds the images once; concurrent callers wait. This takes minutes, so TestMain starts it first: TestChaos, which
// runs alone, mostly waits in that time.
var compose = sync.OnceValue(func() composition { return buildImages(context.Background()) })

var composeDown = []string{"down", "--volumes", "--rmi", "local", "--timeout", "1"}

// buildImages builds the images. The project's name depends on this checkout's path. So other checkouts do not interfere,
// and what a killed test left behind is removed first.
func buildImages(ctx context.Context) (c composition) {
	here, err := os.Getwd()
	if err != nil {
		return composition{err: err}
	}
	if err := exec.CommandContext(ctx, "docker", "info").Run(); err != nil {
		return composition{skip: fmt.Sprint("no Docker engine: docker info: ", err)}
	}
	for _, command := range [][]string{{"docker", "compose"}, {"docker-compose"}} {
		if exec.CommandContext(ctx, command[0], append(command[1:], "version")...).Run() == nil {
			c.command = slices.Concat(command, []string{"-p", fmt.Sprintf("pawl-e2e-%08x", crc32.ChecksumIEEE([]byte(here)))})
			break
		}
	}
	if c.command == nil {
		return composition{skip: "no Docker Compose"}
	}
	for _, step := range [][]string{composeDown, {"build"}} {
		if c.err == nil {
			_, c.err = outputOf(ctx, slices.Concat(c.command, step))
		}
	}
	return c
}

// isSelected reports whether the -run flag selects the test of that name.
func isSelected(name string) bool {
	flag.Parse()
	pattern, _, _ := strings.Cut(flag.Lookup("test.run").Value.String(), "/")
	wanted, err := regexp.MatchString(pattern, name)
	return err == nil && wanted && flag.Lookup("test.list").Value.String() == ""
}
