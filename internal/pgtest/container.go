package pgtest

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver that the readiness check names
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/log"
	"github.com/testcontainers/testcontainers-go/modules/postgres"
	"github.com/testcontainers/testcontainers-go/wait"
)

const (
	defaultImage = "postgres:17"
	postgresPort = "5432/tcp"

	containerTimeout = 3 * time.Minute // includes the time to pull the image
	readyTimeout     = 30 * time.Second
)

func image() string { return cmp.Or(os.Getenv("POSTGRES_IMAGE"), defaultImage) }

// openContainer removes the containers of killed test processes and starts a new one.
func openContainer(ctx context.Context, logf logf) (*server, error) {
	ctx, cancel := context.WithTimeout(ctx, containerTimeout)
	defer cancel()
	quiet := testcontainers.WithLogger(log.NewNoopLogger())
	docker, err := testcontainers.NewDockerProvider(quiet)
	if err != nil {
		return nil, fmt.Errorf("find Docker: %w", err)
	}
	defer docker.Close() //nolint:errcheck // Close only closes idle connections
	engineHost, err := docker.DaemonHost(ctx)
	if err != nil {
		return nil, err
	}
	self, err := currentProcess()
	if err != nil {
		return nil, err
	}
	removeOrphans(ctx, docker.Client(), self, logf)

	password := rand.Text()
	readinessURL := func(host string, port network.Port) string {
		u := superuserURL(net.JoinHostPort(host, port.Port()), password)
		return u.String()
	}
	ctr, err := postgres.Run(ctx, image(), quiet,
		postgres.WithPassword(password),
		testcontainers.WithCmdArgs(serverSettings()...),
		testcontainers.WithLabels(self.labels()),
		testcontainers.WithHostConfigModifier(publishPort(engineHost)),
		testcontainers.WithWaitStrategy(
			wait.ForSQL(postgresPort, "pgx", readinessURL).WithStartupTimeout(readyTimeout)))
	if err != nil {
		return nil, errors.Join(err, testcontainers.TerminateContainer(ctr))
	}
	stop := func(ctx context.Context) error {
		return testcontainers.TerminateContainer(ctr, testcontainers.StopContext(ctx), testcontainers.StopTimeout(0))
	}
	endpoint, err := ctr.PortEndpoint(ctx, postgresPort, "")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("find the published port: %w", err), stop(ctx))
	}
	return newServer(superuserURL(endpoint, password), stop), nil
}

// publishPort returns a function that changes the configuration of a container. If the Docker engine is on this machine, the
// function makes Docker publish the port only on 127.0.0.1. If the engine is on another machine, or this process runs in a
// container, this process cannot reach the engine's 127.0.0.1. Then the function changes nothing, and Docker publishes the
// port on its default addresses.
func publishPort(engineHost string) func(*container.HostConfig) {
	addr, err := netip.ParseAddr(engineHost)
	isLocal := engineHost == "localhost" || (err == nil && addr.IsLoopback())
	return func(config *container.HostConfig) {
		if isLocal {
			loopback := network.PortBinding{HostIP: netip.AddrFrom4([4]byte{127, 0, 0, 1})}
			config.PortBindings = network.PortMap{network.MustParsePort(postgresPort): {loopback}}
		}
	}
}

// serverSettings returns arguments for the program postgres. The server need not protect its data against a power failure.
// It must allow many connections, because each parallel test has its own pool.
func serverSettings() []string {
	return []string{"-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=300"}
}

func superuserURL(hostPort, password string) url.URL {
	return url.URL{
		Scheme: "postgres", User: url.UserPassword("postgres", password), Host: hostPort,
		Path: "/postgres", RawQuery: "sslmode=disable",
	}
}

// An owner is the test process that uses a container. Several test processes may run at the same time. So a process may
// remove a container only if the container's owner has ended.
type owner struct {
	host string // the name of the host, and on Linux the pid namespace
	pid  int
}

func currentProcess() (owner, error) {
	host, err := os.Hostname()
	if err != nil {
		return owner{}, err
	}
	if namespace, err := os.Readlink("/proc/self/ns/pid"); err == nil {
		host += " " + namespace
	}
	return owner{host: host, pid: os.Getpid()}, nil
}

// These labels of a container name its owner.
const (
	labelHost = "dev.pawl.pgtest.host"
	labelPID  = "dev.pawl.pgtest.pid"
)

func (o owner) labels() map[string]string {
	return map[string]string{labelHost: o.host, labelPID: strconv.Itoa(o.pid)}
}

// foreignAge is the age from which a container of another host or pid namespace counts as orphaned.
const foreignAge = 6 * time.Hour

// isOrphaned reports whether the process that the labels of a container name has ended. o is the current process. If the
// labels name another host or pid namespace, o cannot see the process there, and isOrphaned judges only by the age of the
// container.
func (o owner) isOrphaned(labels map[string]string, age time.Duration, isAlive func(pid int) bool) bool {
	if labels[labelHost] != o.host {
		return age > foreignAge
	}
	pid, err := strconv.Atoi(labels[labelPID])
	return err != nil || !isAlive(pid)
}

// removeOrphans removes the containers that killed test processes have left. Usually the reaper of testcontainers has
// already removed them, but the reaper may be switched off or unable to run. removeOrphans only logs errors, because a
// container that stays does no harm.
func removeOrphans(ctx context.Context, docker client.APIClient, self owner, logf logf) {
	found, err := docker.ContainerList(ctx, client.ContainerListOptions{
		All: true, Filters: client.Filters{}.Add("label", labelHost),
	})
	if err != nil {
		logf("pgtest: cannot list left-over containers: %v", err)
		return
	}
	for _, c := range found.Items {
		if !self.isOrphaned(c.Labels, time.Since(time.Unix(c.Created, 0)), isAlive) {
			continue
		}
		_, err := docker.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		if err != nil {
			logf("pgtest: cannot remove the left-over container %.12s: %v", c.ID, err)
		}
	}
}
