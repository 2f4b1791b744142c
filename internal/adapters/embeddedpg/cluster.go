package embeddedpg

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

const (
	databaseUser = "pawl"
	databaseName = "pawl"
	passwordFile = clusterFolder + "/password"
	unfinished   = "making-"

	initPatience = 2 * time.Minute
)

// major is the version of the data, empty if there is none yet.
func (h *home) major() (string, error) {
	text, err := h.root.ReadFile(versionFile)
	if err == nil {
		return strings.TrimSpace(string(text)), nil
	}
	if _, there := h.root.Lstat(clusterFolder); errors.Is(err, fs.ErrNotExist) && errors.Is(there, fs.ErrNotExist) {
		return "", nil
	}
	return "", h.op.invalid(fmt.Errorf("it holds no whole database: %w", err),
		"restore "+filepath.Join(h.dir, clusterFolder)+", or move it away to begin anew")
}

// makeCluster makes the data where nobody looks for it and moves it into place when it is whole. Somebody who is killed
// while making it leaves a folder that cannot be used, and is removed by the next.
func (h *home) makeCluster(ctx context.Context, bin string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, initPatience, &domain.Error{
		Kind: domain.Transient, Op: string(h.op), Hint: hintAgain, Err: fmt.Errorf("making the database took longer than %v", initPatience),
	})
	defer cancel()
	staging, err := h.stage()
	if err == nil {
		err = h.fill(ctx, bin, staging)
	}
	if err == nil {
		err = h.commit(staging, clusterFolder)
	}
	if err != nil {
		_ = h.root.RemoveAll(staging) // else the next start does
	}
	return h.op.unless(ctx, err, "")
}

func (h *home) fill(ctx context.Context, bin, staging string) error {
	password := filepath.Join(staging, filepath.Base(passwordFile))
	if err := h.writePassword(password); err != nil {
		return err
	}
	data := filepath.Join(staging, filepath.Base(dataFolder))
	if err := h.initdb(ctx, bin, data, password); err != nil {
		return err
	}
	// Single-user mode needs neither port nor password, and tells of a failed statement only if it is to end for it.
	create := h.command(ctx, bin, "postgres", "--single", dataFlag, filepath.Join(h.dir, data), "-c", "exit_on_error=on", "template1")
	create.Stdin = strings.NewReader("CREATE DATABASE " + databaseName + "\n")
	return run(create)
}

// initdb prefers the locale that knows characters and sorts by bytes, which not every system has.
func (h *home) initdb(ctx context.Context, bin, data, password string) error {
	var err error
	for _, locale := range []string{"C.UTF-8", "C"} {
		err = run(h.command(ctx, bin, "initdb", dataFlag, filepath.Join(h.dir, data), "--username", databaseUser,
			"--pwfile", filepath.Join(h.dir, password), "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", locale))
		if err == nil || ctx.Err() != nil {
			return err
		}
		if err := h.root.RemoveAll(data); err != nil {
			return err
		}
	}
	return err
}

// stage makes an empty folder under a name of its own.
func (h *home) stage() (string, error) {
	name := unfinished + rand.Text()[:8]
	if err := h.root.Mkdir(name, 0o700); err != nil {
		return "", err
	}
	return name, h.give(name)
}

// commit moves a finished folder into place and makes that last.
func (h *home) commit(staging, name string) error {
	if err := h.root.Rename(staging, name); err != nil {
		return err
	}
	return h.sync(filepath.Dir(name))
}

// sync has a file or the names in a folder written out.
func (h *home) sync(name string) error {
	file, err := h.root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

// sweep removes what killed processes left unfinished. Nobody alive is at it, since that takes the start lock.
func (h *home) sweep() {
	entries, _ := fs.ReadDir(h.root.FS(), ".")
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), unfinished) {
			_ = h.root.RemoveAll(entry.Name()) // an orphaned initdb may be writing; the start after this one gets it
		}
	}
}

func (h *home) writePassword(name string) error {
	file, err := h.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(rand.Text())
	return errors.Join(err, file.Sync(), file.Close(), h.give(name))
}

func (h *home) password() (string, error) {
	text, err := h.root.ReadFile(passwordFile)
	if err != nil {
		return "", h.op.invalid(fmt.Errorf("read the database's password: %w", err), "restore that file from a copy of the folder")
	}
	return strings.TrimSpace(string(text)), nil
}
