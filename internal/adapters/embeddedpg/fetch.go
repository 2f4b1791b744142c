package embeddedpg

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"time"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"

	"github.com/pawldata/pawl/internal/domain"
)

const (
	programsFolder = "programs"

	fetchPatience = 20 * time.Minute // the slowest line that is worth waiting for
)

const hintNoPrograms = "install PostgreSQL (the package postgresql, or brew install postgresql), or give a postgres:// URL in " +
	"DATABASE_URL, or start a server in a container (docker-compose up -d db); with a network, pawl downloads PostgreSQL by itself"

// release is the version to download for data of a major version, or for new data.
func release(major string) (version embeddedpostgres.PostgresVersion, ok bool) {
	if major == "" {
		return embeddedpostgres.V17, true
	}
	for _, version := range []embeddedpostgres.PostgresVersion{
		embeddedpostgres.V18, embeddedpostgres.V17, embeddedpostgres.V16, embeddedpostgres.V15, embeddedpostgres.V14,
		embeddedpostgres.V13,
	} {
		if (programs{version: string(version)}).major() == major {
			return version, true
		}
	}
	return "", false
}

// fetch downloads programs into the home, where the next start finds them.
func (o setup) fetch(ctx context.Context, h *home, major string, say func(string)) (programs, error) {
	version, ok := release(major)
	if !ok {
		return programs{}, h.op.invalid(fmt.Errorf("its data is PostgreSQL %s's, and there is none here nor to download", major),
			fmt.Sprintf("install PostgreSQL %s, or name another folder in DATABASE_URL: the data stays as it is", major))
	}
	repository, err := o.repository()
	if err == nil {
		err = probe(ctx, repository)
	}
	if err != nil {
		return programs{}, h.op.unless(ctx, fmt.Errorf("there is no PostgreSQL here and none can be downloaded: %w", err), hintNoPrograms)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, fetchPatience, &domain.Error{
		Kind: domain.Transient, Op: string(h.op), Hint: hintNoPrograms, Err: fmt.Errorf("downloading PostgreSQL took longer than %v", fetchPatience),
	})
	defer cancel()
	staging, err := h.stage()
	if err != nil {
		return programs{}, h.op.invalid(err, hintWritable)
	}
	defer h.root.RemoveAll(staging) //nolint:errcheck // else the next start does
	name := "PostgreSQL " + strings.TrimSuffix(string(version), ".0")
	say("there is no PostgreSQL here: downloading " + name)
	r := relay{upstream: repository, limits: o.limits, name: name, say: say}
	if err := download(ctx, &r, version, filepath.Join(h.dir, staging)); err != nil {
		if ctx.Err() != nil {
			return programs{}, h.op.ended(ctx)
		}
		return programs{}, h.op.transient(fmt.Errorf("download PostgreSQL: %w", err), "try again, or "+hintNoPrograms)
	}
	return h.keep(ctx, path.Join(staging, extracted), string(version))
}

// keep moves extracted programs to where they are looked for, if the account can run them.
func (h *home) keep(ctx context.Context, tree, version string) (programs, error) {
	target := path.Join(programsFolder, version)
	err := h.settleTree(tree)
	if err == nil {
		_, err = h.inspect(ctx, filepath.Join(h.dir, tree, "bin"))
	}
	if err == nil {
		err = h.root.MkdirAll(programsFolder, 0o700)
	}
	if err == nil {
		err = h.give(programsFolder)
	}
	if err == nil {
		err = h.root.RemoveAll(target) // programs that didn't work
	}
	if err == nil {
		err = h.commit(tree, target)
	}
	if err != nil {
		return programs{}, h.op.unless(ctx, fmt.Errorf("use the downloaded PostgreSQL: %w", err), hintNoPrograms)
	}
	return h.inspect(ctx, filepath.Join(h.dir, target, "bin"))
}

// settleTree gives all files to the account and has them written out, so that a power cut leaves no half a program.
func (h *home) settleTree(tree string) error {
	return fs.WalkDir(h.root.FS(), tree, func(name string, entry fs.DirEntry, err error) error {
		if err == nil {
			err = h.give(name)
		}
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		return h.sync(name)
	})
}
