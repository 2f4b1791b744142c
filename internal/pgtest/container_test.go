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
		skipOrFail(t, err)
	}
	checkServer(t, srv)
}

// skipOrFail skips the test because there is no container. It fails if POSTGRES_IMAGE is set: then there should be one.
func skipOrFail(t *testing.T, err error) {
	t.Helper()
	if os.Getenv("POSTGRES_IMAGE") != "" {
		t.Fatalf("no container although POSTGRES_IMAGE is set: %v", err)
	}
	t.Skipf("no container on this machine, and POSTGRES_IMAGE is not set: %v", err)
}

func TestPublishPort(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "127.0.0.1": true, "::1": true, "172.17.0.1": false, "engine.example": false,
	} {
		var config container.HostConfig
		publishPort(host)(&config)
		bindings := config.PortBindings[network.MustParsePort(postgresPort)]
		if got := len(bindings) == 1 && bindings[0].HostIP.IsLoopback(); got != want {
			t.Errorf("engine on %s: got loopback %v, want %v", host, got, want)
		}
	}
}

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
		made, err := docker.ContainerCreate(t.Context(), client.ContainerCreateOptions{
			Config: &container.Config{Image: image(), Labels: o.labels()},
		})
		if err != nil {
			skipOrFail(t, err)
		}
		return made.ID
	}
	exists := func(id string) bool {
		_, err := docker.ContainerInspect(t.Context(), id, client.ContainerInspectOptions{})
		return err == nil
	}
	dead, living := create(owner{self.host, deadPID(t)}), create(self)

	removeOrphans(t.Context(), docker, self, t.Logf)

	if exists(dead) {
		t.Error("the container of a dead process still exists")
	}
	if !exists(living) {
		t.Error("the container of a living process was removed")
	}
	_, err = docker.ContainerRemove(t.Context(), living, client.ContainerRemoveOptions{RemoveVolumes: true})
	if err != nil {
		t.Error(err)
	}
}

func TestIsOrphaned(t *testing.T) {
	self := owner{"here", 1}
	isAlive := func(pid int) bool { return pid == 2 }
	for name, tt := range map[string]struct {
		host, pid string
		age       time.Duration
		want      bool
	}{
		"its process is alive":           {"here", "2", 48 * time.Hour, false},
		"its process has ended":          {"here", "3", time.Second, true},
		"not a process id":               {"here", "x", time.Second, true},
		"another host, young":            {"there", "3", time.Hour, false},
		"another host, older than tests": {"there", "2", 7 * time.Hour, true},
	} {
		t.Run(name, func(t *testing.T) {
			labels := map[string]string{labelHost: tt.host, labelPID: tt.pid}
			if got := self.isOrphaned(labels, tt.age, isAlive); got != tt.want {
				t.Fatalf("got %v, want %v", got, tt.want)
			}
		})
	}
	if labels := self.labels(); labels[labelPID] != strconv.Itoa(self.pid) || labels[labelHost] != self.host {
		t.Fatalf("got labels %v", labels)
	}
}

// deadPID returns the id of a process that has ended.
func deadPID(t *testing.T) int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid
}
