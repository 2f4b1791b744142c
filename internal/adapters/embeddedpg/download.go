package embeddedpg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"

	"github.com/pawldata/pawl/internal/adapters/embeddedpg/pgprograms"
)

// extracted is the folder below the staging folder that the library puts the programs in.
const extracted = "programs"

// download has the library fetch, check and extract the programs into dir, and nothing else: it can't serve root, and
// would delete the data of another version. It stops between extracting and initdb since it can't empty its data folder,
// whose name ends in a dot, and that is the error of a success.
func download(ctx context.Context, r *relay, version embeddedpostgres.PostgresVersion, dir string) error {
	address, closeRelay, err := r.listen(ctx)
	if err != nil {
		return err
	}
	defer closeRelay()
	library := embeddedpostgres.NewDatabase(embeddedpostgres.DefaultConfig().
		Version(version).
		BinaryRepositoryURL(address).
		CachePath(filepath.Join(dir, "cache")).
		RuntimePath(filepath.Join(dir, extracted)).
		DataPath(dir + "/.").
		Port(0).
		Logger(io.Discard))
	err = library.Start()
	switch failure := r.failed(); {
	case failure != nil:
		return failure
	case err == nil:
		return errors.Join(errors.New("the library started a server of its own"), library.Stop())
	case !strings.HasPrefix(err.Error(), "unable to clean up data directory"):
		return err
	case !pgprograms.Complete(filepath.Join(dir, extracted, "bin")):
		return errors.New("initdb and postgres are missing in it")
	}
	return nil
}

// libraryRepository is where the library downloads from. It tells nobody, and whoever keeps the address up to date
// should be one.
func libraryRepository() (string, error) {
	field := reflect.ValueOf(embeddedpostgres.DefaultConfig()).FieldByName("binaryRepositoryURL")
	if !field.IsValid() || field.Kind() != reflect.String {
		return "", errors.New("the library does not say where from")
	}
	return field.String(), nil
}

const probePatience = 700 * time.Millisecond

// probe tells in less than a second that there is no network. A proxy is taken at its word.
func probe(ctx context.Context, repository string) error {
	u, err := url.Parse(repository)
	if err != nil {
		return fmt.Errorf("read the repository's address: %w", err)
	}
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u})
	if err != nil || proxy != nil {
		return err
	}
	port := u.Port()
	if port == "" {
		port = u.Scheme // services have names
	}
	dialer := net.Dialer{Timeout: probePatience}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return err
	}
	return conn.Close()
}
