//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// composePatience bounds what takes an image to be pulled or built.
const composePatience = 10 * time.Minute

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
func (p *project) in(t *testing.T) *project {
	t.Helper()
	return &project{t, p.command}
}

func (p *project) down() { p.do(composeDown...) }

// do runs a command of Docker Compose to its end and returns what it prints.
func (p *project) do(args ...string) string {
	p.t.Helper()
	return p.output(append(p.command, args...))
}

// exitCode is that of a service, once it has ended.
func (p *project) exitCode(service string) string {
	p.t.Helper()
	return p.output([]string{"docker", "wait", p.do("ps", "--all", "--quiet", service)})
}

// stderr is what a service has written there.
func (p *project) stderr(service string) string {
	p.t.Helper()
	var lines []string
	for line := range strings.Lines(p.do("logs", "--no-color", service)) {
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
	ctx, cancel := context.WithTimeout(ctx, composePatience)
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
	return connect(p.t, "postgres://pawl:pawl@"+p.do("port", "db", "5432")+"/pawl")
}
