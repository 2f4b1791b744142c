package embeddedpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pawldata/pawl/internal/adapters/embeddedpg/pgprograms"
)

const versionPatience = 5 * time.Second

// programs are a folder of PostgreSQL's server programs that the account may run.
type programs struct {
	bin     string
	version string // like 15.18
}

// major is what data belongs to: two numbers before version 10, one since.
func (p programs) major() string {
	parts := strings.SplitN(p.version, ".", 3)
	if parts[0] == "9" && len(parts) > 1 {
		return parts[0] + "." + parts[1]
	}
	return parts[0]
}

// choose returns the first programs that suit the data: those that were downloaded for it, the one in PATH, the newest.
// It downloads some only where there are none at all.
func (o setup) choose(ctx context.Context, h *home, major string, say func(string)) (programs, error) {
	var others, unusable []string
	for _, bin := range slices.Concat(h.downloaded(), o.folders()) {
		found, err := h.inspect(ctx, bin)
		switch {
		case ctx.Err() != nil:
			return programs{}, h.op.ended(ctx)
		case err != nil:
			unusable = append(unusable, bin)
			continue
		case major == "" || found.major() == major:
			return found, nil
		}
		others = append(others, fmt.Sprintf("%s (%s)", found.version, bin))
	}
	if len(others) == 0 {
		if len(unusable) > 0 {
			say(fmt.Sprintf("user %s can't run the PostgreSQL in %s", h.accountName(), strings.Join(unusable, ", ")))
		}
		return o.fetch(ctx, h, major, say)
	}
	return programs{}, h.op.invalid(
		fmt.Errorf("its data is PostgreSQL %s's, and here is only PostgreSQL %s", major, strings.Join(others, ", ")),
		fmt.Sprintf("install PostgreSQL %s, or name another folder in DATABASE_URL: the data stays as it is", major))
}

var versionNumber = regexp.MustCompile(`\d+(\.\d+)*`)

// inspect runs the server's program, since a folder's name is no proof, and what root may run the account may not.
func (h *home) inspect(ctx context.Context, bin string) (programs, error) {
	ctx, cancel := context.WithTimeout(ctx, versionPatience)
	defer cancel()
	out, err := h.command(ctx, bin, "postgres", "--version").Output()
	if err != nil {
		return programs{}, err
	}
	version := versionNumber.FindString(string(out))
	if version == "" {
		return programs{}, errors.New("no version number")
	}
	return programs{bin: bin, version: version}, nil
}

// downloaded are the folders of programs in the home.
func (h *home) downloaded() []string {
	found, _ := fs.Glob(h.root.FS(), programsFolder+"/*/bin") // fails for a malformed pattern only
	var bins []string
	for _, bin := range found {
		if dir := filepath.Join(h.dir, bin); pgprograms.Complete(dir) {
			bins = append(bins, dir)
		}
	}
	return bins
}
