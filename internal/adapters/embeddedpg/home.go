package embeddedpg

import (
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
	homeName      = "pawl-postgres"
	clusterFolder = "cluster"
	dataFolder    = clusterFolder + "/data"
	versionFile   = dataFolder + "/PG_VERSION"
)

// A home is the folder that everything is in. It belongs to the account that the server runs under.
type home struct {
	dir     string              // absolute, without links
	shown   string              // what the user calls it
	root    *os.Root            // of dir: root writes here too, and the folder's owner can't lead it elsewhere
	account *syscall.Credential // nil: our own
	op      op
}

func (h *home) data() string { return filepath.Join(h.dir, dataFolder) }

func (h *home) close() { _ = h.root.Close() } // nothing was written through it

// openHome makes the folder name in parent, and parent, unless they are there. What it makes belongs to account; a
// folder that is there keeps its owner, who is then the account.
func openHome(parent, name string, account *syscall.Credential, o op) (*home, error) {
	if err := makeFolders(parent, account); err != nil {
		return nil, o.invalid(fmt.Errorf("make the folder: %w", err), hintWritable)
	}
	above, err := os.OpenRoot(parent)
	if err != nil {
		return nil, o.invalid(fmt.Errorf("use the folder: %w", err), hintWritable)
	}
	defer above.Close() //nolint:errcheck // nothing is written through it
	if err := above.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, o.invalid(fmt.Errorf("make a folder in it: %w", err), hintWritable)
	}
	info, err := above.Lstat(name)
	if err == nil && !info.IsDir() {
		err = errors.New("not a folder")
	}
	if err != nil {
		return nil, o.invalid(fmt.Errorf("use %s in it: %w", name, err), "move it away, or "+hintWritable)
	}
	account, err = occupant(info, account)
	if err != nil {
		return nil, o.invalid(fmt.Errorf("use %s in it: %w", name, err), "run pawl as that user, or "+hintWritable)
	}
	if account != nil {
		if err := above.Lchown(name, int(account.Uid), int(account.Gid)); err != nil {
			return nil, o.invalid(fmt.Errorf("give %s in it to the server's account: %w", name, err), hintWritable)
		}
	}
	root, err := above.OpenRoot(name)
	if err != nil {
		return nil, o.invalid(fmt.Errorf("use %s in it: %w", name, err), hintWritable)
	}
	return &home{dir: filepath.Join(parent, name), root: root, account: account, op: o}, nil
}

// occupant is the account of a folder's owner. Root takes a folder of its own for one that it was killed over making.
func occupant(info fs.FileInfo, intended *syscall.Credential) (*syscall.Credential, error) {
	owner := ownerOf(info)
	switch own := os.Geteuid(); {
	case own != 0 && int(owner) == own:
		return nil, nil
	case own != 0:
		return nil, fmt.Errorf("it belongs to user %d, and pawl runs as %d", owner, own)
	case owner == 0, owner == intended.Uid:
		return intended, nil
	}
	account, ok := pgprograms.AccountOf(owner)
	if !ok {
		return nil, fmt.Errorf("it belongs to user %d, whom this system doesn't know", owner)
	}
	return account, nil
}

func ownerOf(info fs.FileInfo) uint32 {
	return info.Sys().(*syscall.Stat_t).Uid
}

// makeFolders is os.MkdirAll for an account, whatever our umask.
func makeFolders(path string, account *syscall.Credential) error {
	there := nearest(path)
	for name := range strings.SplitSeq(strings.TrimPrefix(path, there), string(filepath.Separator)) {
		if name == "" {
			continue
		}
		there = filepath.Join(there, name)
		if err := os.Mkdir(there, 0o755); errors.Is(err, fs.ErrExist) { //nolint:gosec // what is secret is in a folder of 0700
			continue // somebody else was faster
		} else if err != nil {
			return err
		}
		if account == nil {
			continue
		}
		if err := os.Lchown(there, int(account.Uid), int(account.Gid)); err != nil {
			return err
		}
	}
	return nil
}

// give makes something that we made the account's.
func (h *home) give(name string) error {
	if h.account == nil {
		return nil
	}
	return h.root.Lchown(name, int(h.account.Uid), int(h.account.Gid))
}

// accountName is for people.
func (h *home) accountName() string {
	uid := strconv.Itoa(os.Geteuid())
	if h.account != nil {
		uid = strconv.FormatUint(uint64(h.account.Uid), 10)
	}
	if u, err := user.LookupId(uid); err == nil {
		return u.Username
	}
	return uid
}
