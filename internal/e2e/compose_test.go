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

// TestCompose is what docker-compose.yml promises: from nothing to a finished run whose traces stand in Jaeger, and a run
// that does not care for Jaeger.
func TestCompose(t *testing.T) {
	t.Parallel()
	whole := newProject(t)
	t.Run("a run whose traces stand in Jaeger", func(t *testing.T) {
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
		eventually(t, "the run is in its middle", func() bool { return db.pages() >= 20 })
		unlock := db.lockLedger(db.conn.Config().ConnString()) // Docker may take longer to stop a container than the run to its end
		p.run("stop", "--timeout", "0", "jaeger")
		unlock()
		if n := db.pages(); n >= 100 {
			t.Fatalf("Jaeger was stopped after the run, at %d pages", n)
		}
		p.checkDone()
		if n := strings.Count(p.stderr("pawl"), "the collector does not take the traces"); n != 1 {
			t.Errorf("%d warnings of the collector: %s", n, p.stderr("pawl"))
		}
	})
}

// wantDone waits for pawl's end and holds the rows to the mock's number of events.
func (p *project) checkDone() {
	p.t.Helper()
	if code := p.exitCode("pawl"); code != "0" {
		p.t.Fatalf("exit %s: %s", code, p.stderr("pawl"))
	}
	db := p.database()
	if events, pages := db.count("SELECT count(*) FROM events"), db.pages(); events != 100000 || pages != 100 {
		p.t.Errorf("%d events in %d pages", events, pages)
	}
	db.checkLedger()
}

// composePatience bounds what takes an image to be pulled or built.
const composeTimeout = 10 * time.Minute

// A project is docker-compose.yml brought up under a name of its own, on ports that are free.
type project struct {
	t       *testing.T
	command []string
}

// newProject is taken down when the test ends. Where there is no Docker Compose or no engine answers, the test is skipped.
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

// in is the project in a subtest.
func (p *project) withT(t *testing.T) *project {
	t.Helper()
	return &project{t, p.command}
}

func (p *project) down() { p.run(composeDown...) }

// do runs a command of Docker Compose to its end and returns what it prints.
func (p *project) run(args ...string) string {
	p.t.Helper()
	return p.output(append(p.command, args...))
}

// exitCode is that of a service, once it has ended.
func (p *project) exitCode(service string) string {
	p.t.Helper()
	return p.output([]string{"docker", "wait", p.run("ps", "--all", "--quiet", service)})
}

// stderr is what a service has written there.
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

// outputOf runs a command in the folder of docker-compose.yml.
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

// database is the project's, over its published port.
func (p *project) database() *database {
	p.t.Helper()
	return connect(p.t, "postgres://pawl:pawl@"+p.run("port", "db", "5432")+"/pawl")
}

// A composition is Docker Compose with the project's images built.
type composition struct {
	command []string // to which the rest is appended
	skip    string   // why there is none here
	err     error
}

// compose builds the images once; whoever asks meanwhile waits. It takes minutes, in which TestChaos, that runs alone, waits
// more than it computes: so TestMain has it begin at once.
var compose = sync.OnceValue(func() composition { return buildImages(context.Background()) })

var composeDown = []string{"down", "--volumes", "--rmi", "local", "--timeout", "1"}

// build gives the project the name of this checkout, so that others can be up beside it and what a killed run left is found
// again.
func buildImages(ctx context.Context) (c composition) {
	here, err := os.Getwd()
	if err != nil {
		return composition{err: err}
	}
	if err := exec.CommandContext(ctx, "docker", "info").Run(); err != nil {
		return composition{skip: fmt.Sprint("no Docker engine answers here: docker info: ", err)}
	}
	for _, command := range [][]string{{"docker", "compose"}, {"docker-compose"}} {
		if exec.CommandContext(ctx, command[0], append(command[1:], "version")...).Run() == nil {
			c.command = slices.Concat(command, []string{"-p", fmt.Sprintf("pawl-e2e-%08x", crc32.ChecksumIEEE([]byte(here)))})
			break
		}
	}
	if c.command == nil {
		return composition{skip: "no Docker Compose here"}
	}
	for _, step := range [][]string{composeDown, {"build"}} {
		if c.err == nil {
			_, c.err = outputOf(ctx, slices.Concat(c.command, step))
		}
	}
	return c
}

// isWanted reports whether the test of that name will be run.
func isSelected(name string) bool {
	flag.Parse()
	pattern, _, _ := strings.Cut(flag.Lookup("test.run").Value.String(), "/")
	wanted, err := regexp.MatchString(pattern, name)
	return err == nil && wanted && flag.Lookup("test.list").Value.String() == ""
}
