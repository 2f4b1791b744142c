package pgtest

import (
	"maps"
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

// TestContainer checks that a server in a container works. If no container can be started, the test is skipped.
func TestContainer(t *testing.T) {
	srv, err := openContainer(t.Context(), t.Logf)
	if err != nil {
		skipOrFail(t, err)
	}
	checkServer(t, srv)
}

// skipOrFail skips the test because no container could be started. But if POSTGRES_IMAGE is set, the test should be able to
// start a container, so skipOrFail makes the test fail.
func skipOrFail(t *testing.T, err error) {
	t.Helper()
	if os.Getenv("POSTGRES_IMAGE") != "" {
		t.Fatalf("cannot start a container, although POSTGRES_IMAGE is set: %v", err)
	}
	t.Skipf("cannot start a container, and POSTGRES_IMAGE is not set: %v", err)
}

// TestPublishPort checks that the port is published only on the loopback address if the Docker engine is on this machine.
func TestPublishPort(t *testing.T) {
	for engineHost, wantOnlyLoopback := range map[string]bool{
		"localhost": true, "127.0.0.1": true, "::1": true, "172.17.0.1": false, "engine.example": false,
	} {
		var config container.HostConfig
		publishPort(engineHost)(&config)
		bindings := config.PortBindings[network.MustParsePort(postgresPort)]
		onlyLoopback := len(bindings) == 1 && bindings[0].HostIP.IsLoopback()
		if onlyLoopback != wantOnlyLoopback {
			t.Errorf("engine on %s: got bindings %v, want only the loopback address: %v", engineHost, bindings, wantOnlyLoopback)
		}
	}
}

// TestRemoveOrphans checks that removeOrphans removes the container of a process that has ended, but not that of a running
// process.
func TestRemoveOrphans(t *testing.T) {
	provider, err := testcontainers.NewDockerProvider(testcontainers.WithLogger(log.NewNoopLogger()))
	if err != nil {
		skipOrFail(t, err)
	}
	docker := provider.Client()
	self, err := currentProcess()
	if err != nil {
		t.Fatal(err)
	}
	create := func(o owner) string {
		t.Helper()
		created, err := docker.ContainerCreate(t.Context(), client.ContainerCreateOptions{
			Config: &container.Config{Image: image(), Labels: o.labels()},
		})
		if err != nil {
			skipOrFail(t, err)
		}
		return created.ID
	}
	exists := func(id string) bool {
		_, err := docker.ContainerInspect(t.Context(), id, client.ContainerInspectOptions{})
		return err == nil
	}
	orphaned := create(owner{host: self.host, pid: endedPID(t)})
	used := create(self)

	removeOrphans(t.Context(), docker, self, t.Logf)

	if exists(orphaned) {
		t.Error("the container of a process that has ended still exists")
	}
	if !exists(used) {
		t.Error("the container of a running process was removed")
	}
	_, err = docker.ContainerRemove(t.Context(), used, client.ContainerRemoveOptions{RemoveVolumes: true})
	if err != nil {
		t.Error(err)
	}
}

// TestIsOrphaned checks that the age of a container decides only if the container belongs to another host.
func TestIsOrphaned(t *testing.T) {
	const (
		thisHost, otherHost = "here", "there"
		alive, ended        = "2", "3" // the ids of two processes
		young, old          = foreignAge - time.Hour, foreignAge + time.Hour
	)
	self := owner{host: thisHost, pid: 1}
	isAlive := func(pid int) bool { return strconv.Itoa(pid) == alive }
	for name, tt := range map[string]struct {
		host, pid string // the labels of the container
		age       time.Duration
		want      bool
	}{
		"this host, its process is alive":  {host: thisHost, pid: alive, age: old, want: false},
		"this host, its process has ended": {host: thisHost, pid: ended, age: young, want: true},
		"this host, not a process id":      {host: thisHost, pid: "x", age: young, want: true},
		"another host, a young container":  {host: otherHost, pid: ended, age: young, want: false},
		"another host, an old container":   {host: otherHost, pid: alive, age: old, want: true},
	} {
		t.Run(name, func(t *testing.T) {
			labels := map[string]string{labelHost: tt.host, labelPID: tt.pid}
			if got := self.isOrphaned(labels, tt.age, isAlive); got != tt.want {
				t.Errorf("got orphaned %v, want %v", got, tt.want)
			}
		})
	}
}

func TestOwnerLabels(t *testing.T) {
	want := map[string]string{labelHost: "here", labelPID: "1"}
	if got := (owner{host: "here", pid: 1}).labels(); !maps.Equal(got, want) {
		t.Errorf("got labels %v, want %v", got, want)
	}
}

// endedPID returns the id of a process that has ended.
func endedPID(t *testing.T) int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$") // this test binary, without any test
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid
}
