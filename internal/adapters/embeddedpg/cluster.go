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
	stagingPrefix = "making-" // the beginning of the names of staging folders, see makeStagingFolder

	createTimeout = 2 * time.Minute // of createCluster
)

// dataVersion returns the major version of the cluster's data, or "" if there is no cluster. If there is a cluster folder without
// a version file, dataVersion returns an Invalid error.
func (d *serverDir) dataVersion() (string, error) {
	version, err := d.root.ReadFile(versionFile)
	if err == nil {
		return strings.TrimSpace(string(version)), nil
	}
	_, folderErr := d.root.Lstat(clusterFolder)
	if errors.Is(err, fs.ErrNotExist) && errors.Is(folderErr, fs.ErrNotExist) {
		return "", nil
	}
	return "", d.op.invalidError(domain.CodePrivateDatabaseDamaged, fmt.Errorf("it holds no whole database: %w", err),
		"restore "+filepath.Join(d.path, clusterFolder)+", or move it away to start with an empty database")
}

// createCluster creates a cluster, which is a data folder with a database and a password. It does so in a staging folder, and moves
// the complete cluster to clusterFolder. If the process is killed before the move, only a staging folder is left. The next start
// removes this folder.
func (d *serverDir) createCluster(ctx context.Context, bin string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, createTimeout, &domain.Error{
		Kind: domain.Transient, Code: domain.CodePrivateDatabaseStart, Op: string(d.op), Hint: hintAgain,
		Err: fmt.Errorf("making the database took longer than %v", createTimeout),
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
		_ = d.root.RemoveAll(staging) // if RemoveAll fails, the next start removes the folder
	}
	return d.op.wrapError(ctx, domain.CodePrivateDatabaseStart, err, "")
}

// initCluster creates the parts of a cluster in a staging folder: the password, the data folder and the database. The files in the
// staging folder have the same names as in clusterFolder.
func (d *serverDir) initCluster(ctx context.Context, bin, staging string) error {
	password := filepath.Join(staging, filepath.Base(passwordFile))
	if err := d.writePassword(password); err != nil {
		return err
	}
	data := filepath.Join(staging, filepath.Base(dataFolder))
	if err := d.initdb(ctx, bin, data, password); err != nil {
		return err
	}
	// Single-user mode needs no port and no password. Its exit code reports a failed statement only with exit_on_error.
	singleUser := d.command(ctx, bin, "postgres", "--single", dataFlag, filepath.Join(d.path, data), "-c", "exit_on_error=on", "template1")
	singleUser.Stdin = strings.NewReader("CREATE DATABASE " + databaseName + "\n")
	return runProgram(singleUser)
}

// initdb runs PostgreSQL's program initdb with the locale C.UTF-8, which classifies Unicode characters and sorts by bytes. Some
// systems do not have this locale. So if the program fails, it is run again with the locale C.
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

// writePassword writes a new random password to a new file, and flushes the file to disk.
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
		return "", d.op.invalidError(domain.CodePrivateDatabaseDamaged, fmt.Errorf("read the database's password: %w", err),
			"restore that file from a copy of the folder")
	}
	return strings.TrimSpace(string(text)), nil
}

// makeStagingFolder makes an empty folder with a random name, in which a cluster or a download is made. It returns the name. The
// folder belongs to the server's account.
func (d *serverDir) makeStagingFolder() (string, error) {
	name := stagingPrefix + rand.Text()[:8]
	if err := d.root.Mkdir(name, 0o700); err != nil {
		return "", err
	}
	return name, d.chown(name)
}

// moveIntoPlace gives a complete folder its final name, and flushes the rename to disk.
func (d *serverDir) moveIntoPlace(folder, finalName string) error {
	if err := d.root.Rename(folder, finalName); err != nil {
		return err
	}
	return d.fsync(filepath.Dir(finalName))
}

// fsync flushes to disk the content of a file, or the list of names in a folder.
func (d *serverDir) fsync(name string) error {
	file, err := d.root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

// removeUnfinished removes the staging folders that killed processes have left. The caller must hold the start lock, so that no
// running process uses a staging folder.
func (d *serverDir) removeUnfinished() {
	entries, _ := fs.ReadDir(d.root.FS(), ".")
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), stagingPrefix) {
			// RemoveAll fails if the initdb of a killed process still writes to the folder. A later start then removes it.
			_ = d.root.RemoveAll(entry.Name())
		}
	}
}
