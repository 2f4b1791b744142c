//go:build e2e

package e2e

import (
	"context"
	"flag"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// A composition is Docker Compose with the project's images built.
type composition struct {
	command []string // to which the rest is appended
	skip    string   // why there is none here
	err     error
}

// compose builds the images once; whoever asks meanwhile waits. It takes minutes, in which TestChaos, that runs alone, waits
// more than it computes: so TestMain has it begin at once.
var compose = sync.OnceValue(func() composition { return build(context.Background()) })

var composeDown = []string{"down", "--volumes", "--rmi", "local", "--timeout", "1"}

// build gives the project the name of this checkout, so that others can be up beside it and what a killed run left is found
// again.
func build(ctx context.Context) (c composition) {
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
func isWanted(name string) bool {
	flag.Parse()
	pattern, _, _ := strings.Cut(flag.Lookup("test.run").Value.String(), "/")
	wanted, err := regexp.MatchString(pattern, name)
	return err == nil && wanted && flag.Lookup("test.list").Value.String() == ""
}
