package embeddedpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"

	"github.com/pawldata/pawl/internal/adapters/embeddedpg/pgprograms"
	"github.com/pawldata/pawl/internal/domain"
)

const (
	programsFolder = "programs" // the folder that contains a folder for each downloaded release

	versionTimeout  = 5 * time.Second  // of the command postgres --version
	downloadTimeout = 20 * time.Minute // enough for a very slow connection
)

const hintNoPrograms = "install PostgreSQL (the package postgresql, or brew install postgresql), or give a postgres:// URL in " +
	"DATABASE_URL; with a network and PAWL_DOWNLOAD=yes, pawl downloads PostgreSQL by itself"

// programs are PostgreSQL's server programs in one folder, which the server's account can run.
type programs struct {
	bin     string // the folder of the programs
	version string // the full version, for example 15.18
}

// majorVersion returns the major version. The programs can use only data of the same major version. Since PostgreSQL 10 the major
// version is the first number of the version. Before PostgreSQL 10 it was the first two numbers.
func (p programs) majorVersion() string {
	parts := strings.SplitN(p.version, ".", 3)
	if parts[0] == "9" && len(parts) > 1 {
		return parts[0] + "." + parts[1]
	}
	return parts[0]
}

// choosePrograms returns the first programs that have the major version and that the server's account can run. If major is empty,
// it accepts every version. It tries downloaded programs first, then the programs in PATH, and then all others from the newest to
// the oldest version. If the account can run none of these programs, choosePrograms downloads programs.
func (c config) choosePrograms(ctx context.Context, d *serverDir, major string, report func(string)) (programs, error) {
	var otherVersions, unusable []string
	for _, bin := range slices.Concat(d.listDownloaded(), c.programDirs()) {
		found, err := d.inspectPrograms(ctx, bin)
		switch {
		case ctx.Err() != nil:
			return programs{}, d.op.endedError(ctx)
		case err != nil:
			unusable = append(unusable, bin)
		case major == "" || found.majorVersion() == major:
			return found, nil
		default:
			otherVersions = append(otherVersions, fmt.Sprintf("%s (%s)", found.version, bin))
		}
	}
	if len(unusable) > 0 {
		report(fmt.Sprintf("user %s cannot run the PostgreSQL in %s", d.accountName(), strings.Join(unusable, ", ")))
	}
	if len(otherVersions) > 0 {
		report(fmt.Sprintf("the data in %s needs PostgreSQL %s, but this machine has only PostgreSQL %s",
			d.userDir, major, strings.Join(otherVersions, ", ")))
	}
	chosen, err := c.downloadPrograms(ctx, d, major, report)
	if failure := domain.AsError(err); failure != nil && len(otherVersions) > 0 {
		explained := *failure
		explained.Err = fmt.Errorf("%w; this machine has only PostgreSQL %s", failure.Err, strings.Join(otherVersions, ", "))
		return programs{}, &explained
	}
	return chosen, err
}

var versionNumber = regexp.MustCompile(`\d+(\.\d+)*`)

// inspectPrograms runs postgres --version in bin as the server's account, and returns the programs with their version. It must run
// the program for two reasons: the name of a folder does not prove the version, and root may be able to run programs that the
// server's account cannot run.
func (d *serverDir) inspectPrograms(ctx context.Context, bin string) (programs, error) {
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	out, err := d.command(ctx, bin, "postgres", "--version").Output()
	if err != nil {
		return programs{}, err
	}
	version := versionNumber.FindString(string(out))
	if version == "" {
		return programs{}, errors.New("postgres --version prints no version number")
	}
	return programs{bin: bin, version: version}, nil
}

// listDownloaded returns the folders of the programs that earlier processes have downloaded.
func (d *serverDir) listDownloaded() []string {
	found, _ := fs.Glob(d.root.FS(), programsFolder+"/*/bin") // Glob fails only for a malformed pattern
	var bins []string
	for _, bin := range found {
		if dir := filepath.Join(d.path, bin); pgprograms.Complete(dir) {
			bins = append(bins, dir)
		}
	}
	return bins
}

// releaseFor returns the release to download for data of this major version. If major is empty, there is no data yet, and releaseFor
// returns the release of the version that pawl is tested with. If the repository has no release of the major version, ok is false.
func releaseFor(major string) (version embeddedpostgres.PostgresVersion, ok bool) {
	if major == "" {
		return embeddedpostgres.V15, true
	}
	for _, version := range []embeddedpostgres.PostgresVersion{
		embeddedpostgres.V18, embeddedpostgres.V17, embeddedpostgres.V16, embeddedpostgres.V15, embeddedpostgres.V14,
		embeddedpostgres.V13,
	} {
		if (programs{version: string(version)}).majorVersion() == major {
			return version, true
		}
	}
	return "", false
}

// downloadPrograms downloads programs of this major version into the serverDir and returns them. listDownloaded finds them there at
// the next start.
func (c config) downloadPrograms(ctx context.Context, d *serverDir, major string, report func(string)) (programs, error) {
	version, ok := releaseFor(major)
	if !ok {
		return programs{}, d.op.invalidError(domain.CodePrivateDatabasePrograms,
			fmt.Errorf("the data in this folder needs PostgreSQL %s, which is neither on this machine nor available for download", major),
			fmt.Sprintf("install PostgreSQL %s, or name another folder in DATABASE_URL: the data stays as it is", major))
	}
	// The library writes versions with a third number, such as 17.5.0. PostgreSQL itself has two: 17.5.
	name := "PostgreSQL " + strings.TrimSuffix(string(version), ".0")
	if err := c.consent(name); err != nil {
		return programs{}, err
	}
	repository, err := c.repository()
	if err == nil {
		err = checkReachable(ctx, repository)
	}
	if err != nil && ctx.Err() != nil {
		return programs{}, d.op.endedError(ctx)
	}
	if err != nil {
		return programs{}, d.op.transientError(domain.CodePrivateDatabasePrograms,
			fmt.Errorf("%s is not here and cannot be downloaded: %w", name, err), hintNoPrograms)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, downloadTimeout, &domain.Error{
		Kind: domain.Transient, Code: domain.CodePrivateDatabasePrograms, Op: string(d.op), Hint: hintNoPrograms,
		Err: fmt.Errorf("downloading PostgreSQL took longer than %v", downloadTimeout),
	})
	defer cancel()
	staging, err := d.makeStagingFolder()
	if err != nil {
		return programs{}, d.op.folderError(err, "")
	}
	defer d.root.RemoveAll(staging) //nolint:errcheck // if RemoveAll fails, the next start removes the folder
	report("downloading " + name)
	// The library has no time limit, and reports no progress. The proxy adds both.
	proxy := downloadProxy{upstream: repository, limits: c.limits, name: name, report: report}
	if err := download(ctx, &proxy, version, filepath.Join(d.path, staging)); err != nil {
		if ctx.Err() != nil {
			return programs{}, d.op.endedError(ctx)
		}
		return programs{}, d.op.transientError(domain.CodePrivateDatabasePrograms,
			fmt.Errorf("download PostgreSQL: %w", err), "try again, or "+hintNoPrograms)
	}
	return d.installPrograms(ctx, path.Join(staging, extractedFolder), string(version))
}

// installPrograms moves the extracted programs to the folder of their version and returns them. If the server's account cannot run
// the programs, installPrograms returns an error.
func (d *serverDir) installPrograms(ctx context.Context, extracted, version string) (programs, error) {
	target := path.Join(programsFolder, version)
	err := d.chownAndSync(extracted)
	if err == nil {
		_, err = d.inspectPrograms(ctx, filepath.Join(d.path, extracted, "bin"))
	}
	if err == nil {
		err = d.root.MkdirAll(programsFolder, 0o700)
	}
	if err == nil {
		err = d.chown(programsFolder)
	}
	if err == nil {
		// Programs of an earlier download may be in target. They do not work: otherwise choosePrograms would have chosen them.
		err = d.root.RemoveAll(target)
	}
	if err == nil {
		err = d.moveIntoPlace(extracted, target)
	}
	if err != nil {
		return programs{}, d.op.wrapError(ctx, domain.CodePrivateDatabasePrograms,
			fmt.Errorf("use the downloaded PostgreSQL: %w", err), hintNoPrograms)
	}
	return d.inspectPrograms(ctx, filepath.Join(d.path, target, "bin"))
}

// chownAndSync gives a folder and all its files to the server's account. It also flushes each file to disk, so that no incomplete
// program exists after a power failure.
func (d *serverDir) chownAndSync(folder string) error {
	return fs.WalkDir(d.root.FS(), folder, func(name string, entry fs.DirEntry, err error) error {
		if err == nil {
			err = d.chown(name)
		}
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		return d.fsync(name)
	})
}
