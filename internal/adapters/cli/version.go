package cli

import (
	"fmt"
	"strings"
)

// A Build says which build of pawl this is.
type Build struct {
	Version string
	Commit  string // the hash; empty if it is not known
	Date    string // of the commit; empty if it is not known
}

// String returns the version and, if they are known, the commit and its date.
func (b Build) String() string {
	var details []string
	if b.Commit != "" {
		details = append(details, "commit "+b.Commit[:min(12, len(b.Commit))])
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

// Help is kong's detailed help.
func (c *versionCommand) Help() string { return "With the commit and its date, if the build has them." }

// Run is called by kong.
func (c *versionCommand) Run(s *session) error {
	_, err := fmt.Fprintln(s.Stdout, "pawl", s.wiring.Build)
	return printError(err)
}
