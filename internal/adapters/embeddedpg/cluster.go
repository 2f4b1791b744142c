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
	databaseUser  = "pawl"
	databaseName  = "pawl"
	passwordFile  = clusterFolder + "/password"
	stagingPrefix = "making-"

	createTimeout = 2 * time.Minute
)

// dataVersion returns the major version of the data, empty if there is none yet.
func (d *serverDir) dataVersion() (string, error) {
	text, err := d.root.ReadFile(versionFile)
	if err == nil {
		return strings.TrimSpace(string(text)), nil
	}
	if _, statErr := d.root.Lstat(clusterFolder); errors.Is(err, fs.ErrNotExist) && errors.Is(statErr, fs.ErrNotExist) {
		return "", nil
	}
	return "", d.op.invalid(fmt.Errorf("it holds no whole database: %w", err),
		"restore "+filepath.Join(d.path, clusterFolder)+", or move it away to start with an empty database")
}

// createCluster creates the cluster in a staging folder and moves it into place when it is complete. A process that is
// killed meanwhile leaves only a staging folder, which the next start removes.
func (d *serverDir) createCluster(ctx context.Context, bin string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, createTimeout, &domain.Error{
		Kind: domain.Transient, Op: string(d.op), Hint: hintAgain, Err: fmt.Errorf("making the database took longer than %v", createTimeout),
	})
	defer cancel()
	staging, err := d.makeStagingFolder()
	if err == nil {
		err = d.initCluster(ctx, bin, staging)
	}
	if err == nil {
		err = d.moveIntoPlace(staging, clusterFolder)
	}
	if err != nil {
		_ = d.root.RemoveAll(staging) // if this fails, the next start removes it
	}
	return d.op.wrap(ctx, err, "")
}

func (d *serverDir) initCluster(ctx context.Context, bin, staging string) error {
	password := filepath.Join(staging, filepath.Base(passwordFile))
	if err := d.writePassword(password); err != nil {
		return err
	}
	data := filepath.Join(staging, filepath.Base(dataFolder))
	if err := d.initdb(ctx, bin, data, password); err != nil {
		return err
	}
	// Single-user mode needs neither port nor password. It reports a failed statement only with exit_on_error.
	create := d.command(ctx, bin, "postgres", "--single", dataFlag, filepath.Join(d.path, data), "-c", "exit_on_error=on", "template1")
	create.Stdin = strings.NewReader("CREATE DATABASE " + databaseName + "\n")
	return runProgram(create)
}

// initdb runs initdb with the locale C.UTF-8, which classifies Unicode characters and sorts by bytes. If that fails, it
// tries C: not every system has C.UTF-8.
func (d *serverDir) initdb(ctx context.Context, bin, data, password string) error {
	var err error
	for _, locale := range []string{"C.UTF-8", "C"} {
		err = runProgram(d.command(ctx, bin, "initdb", dataFlag, filepath.Join(d.path, data), "--username", databaseUser,
			"--pwfile", filepath.Join(d.path, password), "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", locale))
		if err == nil || ctx.Err() != nil {
			return err
		}
		if err := d.root.RemoveAll(data); err != nil {
			return err
		}
	}
	return err
}

func (d *serverDir) writePassword(name string) error {
	file, err := d.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(rand.Text())
	return errors.Join(err, file.Sync(), file.Close(), d.chown(name))
}

func (d *serverDir) readPassword() (string, error) {
	text, err := d.root.ReadFile(passwordFile)
	if err != nil {
		return "", d.op.invalid(fmt.Errorf("read the database's password: %w", err), "restore that file from a copy of the folder")
	}
	return strings.TrimSpace(string(text)), nil
}

// makeStagingFolder makes an empty folder with a new name.
func (d *serverDir) makeStagingFolder() (string, error) {
	name := stagingPrefix + rand.Text()[:8]
	if err := d.root.Mkdir(name, 0o700); err != nil {
		return "", err
	}
	return name, d.chown(name)
}

// moveIntoPlace renames a complete folder and makes the rename durable.
func (d *serverDir) moveIntoPlace(staging, name string) error {
	if err := d.root.Rename(staging, name); err != nil {
		return err
	}
	return d.fsync(filepath.Dir(name))
}

// fsync flushes a file, or the names in a folder, to disk.
func (d *serverDir) fsync(name string) error {
	file, err := d.root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

// removeUnfinished removes the staging folders of killed processes. The caller holds the start lock, so no living process
// uses them.
func (d *serverDir) removeUnfinished() {
	entries, _ := fs.ReadDir(d.root.FS(), ".")
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), stagingPrefix) {
			_ = d.root.RemoveAll(entry.Name()) // fails while an orphaned initdb writes there; a later start removes it
		}
	}
}
