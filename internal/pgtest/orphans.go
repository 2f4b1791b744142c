package pgtest

import (
	"context"
	"os"
	"strconv"
	"time"

	"github.com/moby/moby/client"
)

// Where testcontainers' reaper is switched off or can't run, a killed test process leaves its container behind.
const (
	labelHost = "dev.pawl.pgtest.host"
	labelPID  = "dev.pawl.pgtest.pid"
)

// foreignAfter is when a container of another host or pid namespace is taken for abandoned: its process can't be seen.
const foreignAfter = 6 * time.Hour

// An owner is the process a container belongs to. Test packages run side by side, so a container may only go when its
// owner has.
type owner struct {
	host string // where pid means something
	pid  int
}

func thisProcess() (owner, error) {
	host, err := os.Hostname()
	if err != nil {
		return owner{}, err
	}
	if namespace, err := os.Readlink("/proc/self/ns/pid"); err == nil {
		host += " " + namespace
	}
	return owner{host: host, pid: os.Getpid()}, nil
}

func (o owner) labels() map[string]string {
	return map[string]string{labelHost: o.host, labelPID: strconv.Itoa(o.pid)}
}

// orphaned reports whether the process that put the labels on is gone, as far as it can be told.
func (o owner) orphaned(labels map[string]string, age time.Duration, alive func(pid int) bool) bool {
	if labels[labelHost] != o.host {
		return age > foreignAfter
	}
	pid, err := strconv.Atoi(labels[labelPID])
	return err != nil || !alive(pid)
}

// removeOrphans does what it can: a container that stays is only untidy.
func removeOrphans(ctx context.Context, docker client.APIClient, self owner, logf logf) {
	found, err := docker.ContainerList(ctx, client.ContainerListOptions{
		All: true, Filters: client.Filters{}.Add("label", labelHost),
	})
	if err != nil {
		logf("pgtest: look for left over containers: %v", err)
		return
	}
	for _, c := range found.Items {
		if !self.orphaned(c.Labels, time.Since(time.Unix(c.Created, 0)), alive) {
			continue
		}
		_, err := docker.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		if err != nil {
			logf("pgtest: left over container %.12s stays: %v", c.ID, err)
		}
	}
}
