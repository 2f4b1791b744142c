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
)

const reachPatience = 5 * time.Second

// settle finds the home that goes with dir.
func (o setup) settle(ctx context.Context, dir string, say func(string)) (*home, error) {
	place, err := resolve(dir)
	if err != nil {
		return nil, err
	}
	var h *home
	if os.Geteuid() == 0 {
		h, err = o.settleForRoot(ctx, place, say)
	} else {
		h, err = openHome(place, homeName, nil, opIn(place))
	}
	if err != nil {
		return nil, err
	}
	h.shown = place
	if err := h.giveLocks(); err != nil {
		h.close()
		return nil, h.op.invalid(err, hintWritable)
	}
	return h, nil
}

// settleForRoot uses a stand-in for a place that the account can't get to, and goes on using one that has data.
func (o setup) settleForRoot(ctx context.Context, place string, say func(string)) (*home, error) {
	account, err := accountFor(place)
	if err != nil {
		return nil, opIn(place).invalid(err, "run pawl as another user than root")
	}
	settled := hasCluster(filepath.Join(place, homeName))
	reached := reaches(ctx, account, nearest(place))
	hash := standInName(place)
	if settled || (reached && !hasCluster(filepath.Join(o.standIns, hash))) {
		h, err := openHome(place, homeName, account, opIn(place))
		if err == nil && !reaches(ctx, h.account, h.dir) {
			h.close()
			err = opIn(place).unless(ctx, fmt.Errorf("PostgreSQL, which doesn't run as root, can't get to it as user %s", h.accountName()),
				"let that user pass all the folders above it (chmod o+x), or name another folder in DATABASE_URL")
		}
		return h, err
	}
	if ctx.Err() != nil {
		return nil, opIn(place).ended(ctx)
	}
	if err := makePassage(o.standIns); err != nil {
		return nil, opIn(place).invalid(fmt.Errorf("make a folder instead of it: %w", err), hintWritable)
	}
	h, err := openHome(o.standIns, hash, account, opIn(place))
	if err != nil {
		return nil, err
	}
	if !reaches(ctx, h.account, h.dir) {
		h.close()
		return nil, opIn(place).unless(ctx, fmt.Errorf("PostgreSQL, which doesn't run as root, can get neither to it nor to %s as user %s",
			o.standIns, h.accountName()), "let that user pass all the folders above it (chmod o+x)")
	}
	why := "can't get to"
	if reached {
		why = "could once not get to"
	}
	say(fmt.Sprintf("PostgreSQL doesn't run as root, and user %s %s %s: the data is in %s", h.accountName(), why, place, h.dir))
	return h, nil
}

// accountFor is the owner of the place, or of the folder that it will be made in, and never root.
func accountFor(place string) (*syscall.Credential, error) {
	info, err := os.Stat(nearest(place)) //nolint:gosec // the user names the folder
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

func hasCluster(home string) bool {
	_, err := os.Lstat(filepath.Join(home, versionFile)) //nolint:gosec // the user names the folder
	return err == nil
}

func standInName(place string) string {
	sum := sha256.Sum256([]byte(place))
	return hex.EncodeToString(sum[:8])
}

// reaches tries whether the account can be in a folder. initdb needs /bin/sh as well.
func reaches(ctx context.Context, account *syscall.Credential, dir string) bool {
	ctx, cancel := context.WithTimeout(ctx, reachPatience)
	defer cancel()
	shell := exec.CommandContext(ctx, "/bin/sh", "-c", ":")
	shell.Dir = dir
	shell.Env = []string{}
	shell.SysProcAttr = &syscall.SysProcAttr{Credential: account}
	return shell.Run() == nil
}

// makePassage makes a folder that everybody may pass through, whatever our umask.
func makePassage(dir string) error {
	err := os.Mkdir(dir, 0o755) //nolint:gosec // other accounts' folders are in it
	if errors.Is(err, os.ErrNotExist) {
		err = os.MkdirAll(dir, 0o755) //nolint:gosec // as above
	}
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return os.Chmod(dir, 0o755) //nolint:gosec // as above
}

// giveLocks makes the lock files the account's before anybody locks them, each time: we may have been killed in between.
func (h *home) giveLocks() error {
	for _, name := range []string{usersLock, startLock} {
		file, err := h.root.OpenFile(name, os.O_CREATE|os.O_RDONLY, 0o600)
		if err != nil {
			return err
		}
		if err := errors.Join(file.Close(), h.give(name)); err != nil {
			return err
		}
	}
	return nil
}
