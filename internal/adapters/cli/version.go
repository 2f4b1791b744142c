package cli

import "fmt"

type versionCommand struct{}

// Run is called by kong.
func (c *versionCommand) Run(s *session) error {
	_, err := fmt.Fprintln(s.Stdout, "pawl", s.wiring.Version)
	return printed(err)
}
