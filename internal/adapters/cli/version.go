package cli

import (
	"fmt"
	"strings"
)

// A Build identifies a build of pawl.
type Build struct {
	Version string // for example v1.2.3
	Commit  string // the hash; empty if it is not known
	Date    string // the time of the commit; empty if it is not known
}

// commitLength is how many characters of a commit's hash String shows.
const commitLength = 12

// String returns the version and, if they are known, the beginning of the commit's hash and the commit's date.
func (b Build) String() string {
	var details []string
	if b.Commit != "" {
		details = append(details, "commit "+b.Commit[:min(commitLength, len(b.Commit))])
	}
	if b.Date != "" {
		details = append(details, b.Date)
	}
	if len(details) == 0 {
		return b.Version
	}
	return fmt.Sprintf("%s (%s)", b.Version, strings.Join(details, ", "))
}

type versionCommand struct{}

// Help returns the details for `pawl version --help`. kong calls it.
func (c *versionCommand) Help() string {
	return "The output includes the commit and its date if they are known."
}

// toleratesWrongSettings implements settingsTolerant, because the version depends on no setting.
func (c *versionCommand) toleratesWrongSettings() {}

// Run executes `pawl version`. kong calls it.
func (c *versionCommand) Run(s *session) error {
	_, err := fmt.Fprintln(s.Stdout, "pawl", s.wiring.Build)
	return outputError(err)
}
