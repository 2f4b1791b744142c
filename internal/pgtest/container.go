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
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver that the readiness check names
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/log"
	"github.com/testcontainers/testcontainers-go/modules/postgres"
	"github.com/testcontainers/testcontainers-go/wait"
)

const (
	defaultImage = "postgres:17"
	postgresPort = "5432/tcp"

	containerPatience = 3 * time.Minute // a first pull included
	readyPatience     = 30 * time.Second
)

func image() string { return cmp.Or(os.Getenv("POSTGRES_IMAGE"), defaultImage) }

// openContainer starts a container, after removing those of processes that were killed.
func openContainer(ctx context.Context, logf logf) (*server, error) {
	ctx, cancel := context.WithTimeout(ctx, containerPatience)
	defer cancel()
	quiet := testcontainers.WithLogger(log.NewNoopLogger())
	docker, err := testcontainers.NewDockerProvider(quiet)
	if err != nil {
		return nil, fmt.Errorf("find Docker: %w", err)
	}
	defer docker.Close() //nolint:errcheck // it closes idle connections only
	host, err := docker.DaemonHost(ctx)
	if err != nil {
		return nil, err
	}
	owner, err := thisProcess()
	if err != nil {
		return nil, err
	}
	removeOrphans(ctx, docker.Client(), owner, logf)

	password := rand.Text()
	urlAt := func(host string, port network.Port) string {
		u := superuserURL(net.JoinHostPort(host, port.Port()), password)
		return u.String()
	}
	ctr, err := postgres.Run(ctx, image(), quiet,
		postgres.WithPassword(password),
		testcontainers.WithCmdArgs(settings()...),
		testcontainers.WithLabels(owner.labels()),
		testcontainers.WithHostConfigModifier(publishFor(host)),
		testcontainers.WithWaitStrategy(
			wait.ForSQL(postgresPort, "pgx", urlAt).WithStartupTimeout(readyPatience)))
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

// publishFor keeps the port off the network where the engine is on this machine. A remote one, or one seen from inside
// a container, can't be reached over its loopback.
func publishFor(engineHost string) func(*container.HostConfig) {
	addr, err := netip.ParseAddr(engineHost)
	local := engineHost == "localhost" || (err == nil && addr.IsLoopback())
	return func(config *container.HostConfig) {
		if local {
			loopback := network.PortBinding{HostIP: netip.AddrFrom4([4]byte{127, 0, 0, 1})}
			config.PortBindings = network.PortMap{network.MustParsePort(postgresPort): {loopback}}
		}
	}
}

// settings are the arguments of a server whose data nobody keeps.
func settings() []string {
	return []string{
		"-c", "fsync=off", "-c", "full_page_writes=off",
		"-c", "max_connections=300", // parallel tests have a pool each
	}
}

func superuserURL(hostPort, password string) url.URL {
	return url.URL{
		Scheme: "postgres", User: url.UserPassword("postgres", password), Host: hostPort,
		Path: "/postgres", RawQuery: "sslmode=disable",
	}
}
