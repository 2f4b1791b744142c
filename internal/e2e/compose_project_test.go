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

// newProject is taken down when the test ends. It has the name of this checkout, so that others can be up beside it and
// what a killed run left is found again. Where there is no Docker Compose or no engine answers, the test is skipped.
func newProject(t *testing.T) *project {
	t.Helper()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("pawl-e2e-%08x", crc32.ChecksumIEEE([]byte(here)))
	if err := exec.CommandContext(t.Context(), "docker", "info").Run(); err != nil {
		t.Skip("SKIPPED: no Docker engine answers here: docker info:", err)
	}
	for _, command := range [][]string{{"docker", "compose"}, {"docker-compose"}} {
		if exec.CommandContext(t.Context(), command[0], append(command[1:], "version")...).Run() == nil {
			p := &project{t: t, command: append(command, "-p", name)}
			p.down() // what a killed run left
			t.Cleanup(p.down)
			return p
		}
	}
	t.Skip("SKIPPED: no Docker Compose here")
	return nil
}

// in is the project in a subtest.
func (p *project) in(t *testing.T) *project {
	t.Helper()
	return &project{t, p.command}
}

func (p *project) down() { p.do("down", "--volumes", "--rmi", "local", "--timeout", "1") }

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
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.t.Context()), composePatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(), "POSTGRES_PORT=0", "JAEGER_PORT=0", "POSTGRES_PASSWORD=pawl")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		p.t.Fatalf("%s: %v\n%s%s", strings.Join(command, " "), err, out, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// database is the project's, over its published port.
func (p *project) database() *database {
	p.t.Helper()
	return connect(p.t, "postgres://pawl:pawl@"+p.do("port", "db", "5432")+"/pawl")
}
