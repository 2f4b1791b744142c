package embeddedpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/pawldata/pawl/internal/adapters/embeddedpg/pgprograms"
)

const (
	serverDirName = "pawl-postgres"
	clusterFolder = "cluster"
	dataFolder    = clusterFolder + "/data"
	versionFile   = dataFolder + "/PG_VERSION"

	// maxPath is the greatest number of bytes in the path of DIR. PostgreSQL cuts off paths after 1024 bytes, so 224 bytes remain for
	// the names in DIR.
	maxPath = 800
)

// A serverDir is the folder with all files of one server, usually DIR/pawl-postgres. The server runs as the account that owns this
// folder.
type serverDir struct {
	path    string              // the absolute path, without symbolic links
	userDir string              // the absolute path of DIR, for messages
	root    *os.Root            // the open folder; it keeps writes of root inside, even if the owner makes symbolic links
	account *syscall.Credential // the account that the server runs as; nil means the account of this process
	op      operation           // makes the errors
}

// openServerDir opens the serverDir for dir, and creates it if it is missing. If pawl runs as root, openServerDir may open a fallback
// folder, see openServerDirAsRoot.
func (c config) openServerDir(ctx context.Context, dir string, report func(string)) (*serverDir, error) {
	path, err := resolveDir(dir)
	if err != nil {
		return nil, err
	}
	var d *serverDir
	if os.Geteuid() == 0 {
		d, err = c.openServerDirAsRoot(ctx, path, report)
	} else {
		d, err = openOrMake(path, serverDirName, nil, operationFor(path))
	}
	if err != nil {
		return nil, err
	}
	d.userDir = path
	if err := d.ensureLockFiles(); err != nil {
		d.close()
		return nil, d.op.folderError(err, "")
	}
	return d, nil
}

// resolveDir returns the absolute path of a folder without symbolic links, so that each folder has only one path. The folder itself
// may be missing.
func resolveDir(dir string) (string, error) {
	op := operation("read DATABASE_URL")
	switch {
	case strings.TrimSpace(dir) == "":
		return "", op.folderError(errEmptyDir, "")
	case strings.HasPrefix(dir, "~"):
		return "", operationFor(dir).folderError(fmt.Errorf("%s begins with ~, which only a shell replaces by a home folder", dir),
			"write the whole path, or ./~ for a folder of that name")
	case strings.ContainsAny(dir, "\n\r\x00"):
		return "", op.folderError(fmt.Errorf("the folder's name %q has a line break or a zero byte in it", dir), "")
	}
	path, err := filepath.Abs(dir)
	if err != nil {
		return "", op.folderError(err, "give the folder's absolute path")
	}
	ancestor := existingAncestor(path)
	target, err := filepath.EvalSymlinks(ancestor)
	if err != nil {
		return "", operationFor(path).folderError(err, "")
	}
	if info, err := os.Stat(target); err == nil && !info.IsDir() { //nolint:gosec // the user names the folder
		return "", operationFor(path).folderError(fmt.Errorf("%s is not a folder", target), "")
	}
	missing := strings.TrimPrefix(path, ancestor) // the folders that do not exist yet
	path = filepath.Join(target, missing)
	if len(path) > maxPath {
		return "", op.folderError(fmt.Errorf("the folder's path is %d bytes long", len(path)),
			fmt.Sprintf("a path may have at most %d bytes", maxPath))
	}
	return path, nil
}

// existingAncestor returns path if it exists, and otherwise its nearest parent folder that exists.
func existingAncestor(path string) string {
	for {
		_, err := os.Stat(path) //nolint:gosec // the user names the folder
		isMissing, isTop := errors.Is(err, os.ErrNotExist), path == filepath.Dir(path)
		if !isMissing || isTop {
			return path
		}
		path = filepath.Dir(path)
	}
}

// openOrMake opens the folder name in parent as a serverDir, and makes both folders if they are missing. New folders belong to
// account. If the folder exists already and a user other than root owns it, its owner stays, and the server runs as this owner.
func openOrMake(parent, name string, account *syscall.Credential, op operation) (*serverDir, error) {
	if err := makeFolders(parent, account); err != nil {
		return nil, op.folderError(fmt.Errorf("make the folder: %w", err), "")
	}
	parentRoot, err := os.OpenRoot(parent)
	if err != nil {
		return nil, op.folderError(fmt.Errorf("use the folder: %w", err), "")
	}
	defer parentRoot.Close() //nolint:errcheck // no file is written through parentRoot
	if err := parentRoot.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, op.folderError(fmt.Errorf("make a folder in it: %w", err), "")
	}
	info, err := parentRoot.Lstat(name)
	if err == nil && !info.IsDir() {
		err = errors.New("not a folder")
	}
	if err != nil {
		return nil, op.folderError(fmt.Errorf("use %s in it: %w", name, err), "move it away")
	}
	account, err = accountOfExisting(info, account)
	if err != nil {
		return nil, op.folderError(fmt.Errorf("use %s in it: %w", name, err), "run pawl as that user")
	}
	if account != nil {
		if err := parentRoot.Lchown(name, int(account.Uid), int(account.Gid)); err != nil {
			return nil, op.folderError(fmt.Errorf("give %s in it to the server's account: %w", name, err), "")
		}
	}
	root, err := parentRoot.OpenRoot(name)
	if err != nil {
		return nil, op.folderError(fmt.Errorf("use %s in it: %w", name, err), "")
	}
	return &serverDir{path: filepath.Join(parent, name), root: root, account: account, op: op}, nil
}

// makeFolders makes path and its missing parent folders. New folders belong to account.
func makeFolders(path string, account *syscall.Credential) error {
	folder := existingAncestor(path)
	missing := strings.TrimPrefix(path, folder)
	for name := range strings.SplitSeq(missing, string(filepath.Separator)) {
		if name == "" {
			continue
		}
		folder = filepath.Join(folder, name)
		err := os.Mkdir(folder, 0o755) //nolint:gosec // secrets are in a folder of mode 0700
		if errors.Is(err, fs.ErrExist) {
			continue // another process has just made this folder
		}
		if err != nil {
			return err
		}
		if account == nil {
			continue
		}
		if err := os.Lchown(folder, int(account.Uid), int(account.Gid)); err != nil {
			return err
		}
	}
	return nil
}

// accountOfExisting returns the account that the server of an existing folder runs as. This account is the folder's owner. But if
// root owns the folder, an earlier process was killed before it could change the owner, and accountOfExisting returns the intended
// account. If pawl does not run as root, the account must be that of pawl. Otherwise accountOfExisting returns an error.
func accountOfExisting(info fs.FileInfo, intended *syscall.Credential) (*syscall.Credential, error) {
	owner, uid := ownerOf(info), os.Geteuid()
	switch {
	case uid != 0 && int(owner) == uid:
		return nil, nil // this process's own account
	case uid != 0:
		return nil, fmt.Errorf("it belongs to user %d, and pawl runs as user %d", owner, uid)
	case owner == 0, owner == intended.Uid:
		return intended, nil
	}
	account, ok := pgprograms.AccountOf(owner)
	if !ok {
		return nil, fmt.Errorf("it belongs to user %d, whom this system does not know", owner)
	}
	return account, nil
}

func ownerOf(info fs.FileInfo) uint32 {
	return info.Sys().(*syscall.Stat_t).Uid
}

func (d *serverDir) data() string { return filepath.Join(d.path, dataFolder) }

func (d *serverDir) close() { _ = d.root.Close() } // an error of Close would not matter, because Close writes nothing

// chown makes the server's account the owner of a file or folder in this serverDir.
func (d *serverDir) chown(name string) error {
	if d.account == nil {
		return nil
	}
	return d.root.Lchown(name, int(d.account.Uid), int(d.account.Gid))
}

// accountName returns the name of the server's account for messages. If the account has no name, it returns the account's number.
func (d *serverDir) accountName() string {
	uid := strconv.Itoa(os.Geteuid())
	if d.account != nil {
		uid = strconv.FormatUint(uint64(d.account.Uid), 10)
	}
	if u, err := user.LookupId(uid); err == nil {
		return u.Username
	}
	return uid
}
