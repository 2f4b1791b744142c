package cli

import (
	"github.com/pawldata/pawl/internal/adapters/cli/progress"
	"github.com/pawldata/pawl/internal/adapters/cli/terminal"
)

// How a run shows its progress.
const (
	progressAuto   = "auto"
	progressAlways = "always"
	progressNever  = "never"
)

// live reports whether a live line is wanted, and can be shown.
func (s *session) live() bool {
	return s.settings.progress == progressAlways ||
		s.settings.progress == progressAuto && s.screen.Kind() == terminal.Interactive
}

// show begins to show the run that the tracker follows. The stop it returns must be called before anything else is
// written for the user.
func (s *session) show(tracker *progress.Tracker) (stop func()) {
	switch {
	case s.live():
		return tracker.Show(s.screen)
	case s.settings.progress == progressNever:
		return func() {}
	}
	return tracker.Report(s.log)
}
