package embeddedpg

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/pawldata/pawl/internal/adapters/embeddedpg/pgprograms"
	"github.com/pawldata/pawl/internal/domain"
)

const enterTimeout = 5 * time.Second // of canEnter

// openServerDirAsRoot opens the serverDir in dir, or a fallback folder in c.fallbackRoot. pawl runs as root, and PostgreSQL as the
// account of accountForDir. openServerDirAsRoot chooses the folder as follows:
//   - If dir has a cluster, it opens dir.
//   - If only the fallback folder has a cluster, it opens the fallback folder.
//   - If neither folder has a cluster, it opens dir if the account can enter dir, and otherwise the fallback folder.
func (c config) openServerDirAsRoot(ctx context.Context, dir string, report func(string)) (*serverDir, error) {
	account, err := accountForDir(dir)
	if err != nil {
		return nil, operationFor(dir).folderError(err, "run pawl as another user than root")
	}
	fallbackName := fallbackNameFor(dir)
	canEnterDir := canEnter(ctx, account, existingAncestor(dir))
	isFallbackInUse := hasCluster(filepath.Join(c.fallbackRoot, fallbackName))
	useDir := canEnterDir && !isFallbackInUse
	if useDir || hasCluster(filepath.Join(dir, serverDirName)) {
		d, err := openOrMake(dir, serverDirName, account, operationFor(dir))
		if err == nil && !canEnter(ctx, d.account, d.path) { // the serverDir in dir may have another owner and mode than dir
			d.close()
			err = operationFor(dir).wrapError(ctx, domain.CodePrivateDatabaseFolder,
				fmt.Errorf("PostgreSQL does not run as root, and user %s cannot enter it", d.accountName()),
				"let that user enter all the folders above it (chmod o+x), or name another folder in DATABASE_URL")
		}
		return d, err
	}
	if ctx.Err() != nil { // canEnter may have returned false only because ctx had ended
		return nil, operationFor(dir).endedError(ctx)
	}
	if err := makePublicDir(c.fallbackRoot); err != nil {
		return nil, operationFor(dir).folderError(fmt.Errorf("make a folder instead of it: %w", err), "")
	}
	d, err := openOrMake(c.fallbackRoot, fallbackName, account, operationFor(dir))
	if err != nil {
		return nil, err
	}
	if !canEnter(ctx, d.account, d.path) {
		d.close()
		return nil, operationFor(dir).wrapError(ctx, domain.CodePrivateDatabaseFolder,
			fmt.Errorf("PostgreSQL does not run as root, and user %s can enter neither it nor %s",
				d.accountName(), c.fallbackRoot), "let that user enter all the folders above it (chmod o+x)")
	}
	reason := "cannot enter"
	if canEnterDir { // an earlier run has created the fallback folder, when the account could not enter dir
		reason = "could not enter"
	}
	report(fmt.Sprintf("PostgreSQL does not run as root, and user %s %s %s: the data is in %s", d.accountName(), reason, dir, d.path))
	return d, nil
}

// accountForDir returns the account that owns dir. If dir does not exist, it returns the owner of the nearest parent folder that
// exists. If the owner is root or the system does not know the owner, it returns an unprivileged account.
func accountForDir(dir string) (*syscall.Credential, error) {
	info, err := os.Stat(existingAncestor(dir)) //nolint:gosec // the user names the folder
	if err != nil {
		return nil, err
	}
	if owner := ownerOf(info); owner != 0 {
		if account, ok := pgprograms.AccountOf(owner); ok {
			return account, nil
		}
	}
	return pgprograms.Unprivileged()
}

// hasCluster reports whether a serverDir contains a cluster. It looks for the version file of the cluster.
func hasCluster(serverDir string) bool {
	_, err := os.Lstat(filepath.Join(serverDir, versionFile)) //nolint:gosec // the user names the folder
	return err == nil
}

// fallbackNameFor returns the name of the fallback folder, which is a hash of dir.
func fallbackNameFor(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return hex.EncodeToString(sum[:8])
}

// canEnter reports whether account can enter dir. It tries to run /bin/sh in dir as account. If ctx ends or the machine has no
// /bin/sh, canEnter returns false. Without /bin/sh, initdb could not run either.
func canEnter(ctx context.Context, account *syscall.Credential, dir string) bool {
	ctx, cancel := context.WithTimeout(ctx, enterTimeout)
	defer cancel()
	shell := exec.CommandContext(ctx, "/bin/sh", "-c", ":")
	shell.Dir = dir
	shell.Env = []string{}
	shell.SysProcAttr = &syscall.SysProcAttr{Credential: account}
	return shell.Run() == nil
}

// makePublicDir makes a folder that every account may enter, even if the umask forbids this. If the folder exists already, it does
// not change the folder.
func makePublicDir(dir string) error {
	err := os.Mkdir(dir, 0o755) //nolint:gosec // other accounts need to enter it
	if errors.Is(err, os.ErrNotExist) {
		err = os.MkdirAll(dir, 0o755) //nolint:gosec // as above
	}
	if errors.Is(err, os.ErrExist) { // only Mkdir reports an existing folder, so Mkdir is tried before MkdirAll
		return nil
	}
	if err != nil {
		return err
	}
	return os.Chmod(dir, 0o755) //nolint:gosec // as above
}
