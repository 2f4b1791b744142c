package pgtest

import (
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/log"
)

func TestContainer(t *testing.T) {
	srv, err := openContainer(t.Context(), t.Logf)
	if err != nil {
		unavailable(t, err)
	}
	checkServer(t, srv)
}

// unavailable skips where nobody promised a container, and fails where an image was named for it.
func unavailable(t *testing.T, err error) {
	t.Helper()
	if os.Getenv("POSTGRES_IMAGE") != "" {
		t.Fatalf("no container although POSTGRES_IMAGE is set: %v", err)
	}
	t.Skipf("no container to be had here, and POSTGRES_IMAGE is not set: %v", err)
}

func TestContainerIsPublishedOnLoopbackWhereThatIsReachable(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "127.0.0.1": true, "::1": true, "172.17.0.1": false, "engine.example": false,
	} {
		var config container.HostConfig
		publishFor(host)(&config)
		bindings := config.PortBindings[network.MustParsePort(postgresPort)]
		if got := len(bindings) == 1 && bindings[0].HostIP.IsLoopback(); got != want {
			t.Errorf("engine on %s: loopback %v", host, got)
		}
	}
}

func TestContainersOfDeadProcessesAreRemoved(t *testing.T) {
	provider, err := testcontainers.NewDockerProvider(testcontainers.WithLogger(log.NewNoopLogger()))
	if err != nil {
		unavailable(t, err)
	}
	docker := provider.Client()
	self, err := thisProcess()
	if err != nil {
		t.Fatal(err)
	}
	create := func(o owner) string {
		t.Helper()
		made, err := docker.ContainerCreate(t.Context(), client.ContainerCreateOptions{
			Config: &container.Config{Image: image(), Labels: o.labels()},
		})
		if err != nil {
			unavailable(t, err)
		}
		return made.ID
	}
	there := func(id string) bool {
		_, err := docker.ContainerInspect(t.Context(), id, client.ContainerInspectOptions{})
		return err == nil
	}
	dead, living := create(owner{self.host, deadPID(t)}), create(self)

	removeOrphans(t.Context(), docker, self, t.Logf)

	if there(dead) {
		t.Error("a dead process's container is still there")
	}
	if !there(living) {
		t.Error("a living process's container is gone")
	}
	_, err = docker.ContainerRemove(t.Context(), living, client.ContainerRemoveOptions{RemoveVolumes: true})
	if err != nil {
		t.Error(err)
	}
}

func TestOrphaned(t *testing.T) {
	self := owner{"here", 1}
	alive := func(pid int) bool { return pid == 2 }
	for name, c := range map[string]struct {
		host, pid string
		age       time.Duration
		want      bool
	}{
		"its process lives":              {"here", "2", 48 * time.Hour, false},
		"its process is gone":            {"here", "3", time.Second, true},
		"no process could have this id":  {"here", "x", time.Second, true},
		"another host's, young":          {"there", "3", time.Hour, false},
		"another host's, past all tests": {"there", "2", 7 * time.Hour, true},
	} {
		t.Run(name, func(t *testing.T) {
			labels := map[string]string{labelHost: c.host, labelPID: c.pid}
			if got := self.orphaned(labels, c.age, alive); got != c.want {
				t.Fatalf("orphaned: %v", got)
			}
		})
	}
	if labels := self.labels(); labels[labelPID] != strconv.Itoa(self.pid) || labels[labelHost] != self.host {
		t.Fatalf("labels %v", labels)
	}
}

func deadPID(t *testing.T) int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid
}
