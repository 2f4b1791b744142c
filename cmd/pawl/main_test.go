package main

import (
	"runtime/debug"
	"testing"

	"github.com/pawldata/pawl/internal/adapters/cli"
)

// TestCompleteBuild checks that the build information fills the fields that -ldflags did not set.
func TestCompleteBuild(t *testing.T) {
	t.Parallel()
	info := &debug.BuildInfo{
		Main: debug.Module{Version: "v1.2.3"},
		Settings: []debug.BuildSetting{
			{Key: "vcs", Value: "git"}, {Key: "vcs.revision", Value: "abc"}, {Key: "vcs.time", Value: "2026-11-24T19:30:00Z"},
		},
	}
	for _, tt := range []struct {
		name  string
		flags cli.Build // the fields that -ldflags set
		info  *debug.BuildInfo
		want  cli.Build
	}{
		{name: "no build information", info: nil, want: cli.Build{Version: "(unknown)"}},
		{name: "build information without a version", info: &debug.BuildInfo{}, want: cli.Build{Version: "(unknown)"}},
		{name: "full build information", info: info, want: cli.Build{Version: "v1.2.3", Commit: "abc", Date: "2026-11-24T19:30:00Z"}},
		{
			name:  "flags prevail",
			flags: cli.Build{Version: "v2.0.0", Commit: "def"},
			info:  info,
			want:  cli.Build{Version: "v2.0.0", Commit: "def", Date: "2026-11-24T19:30:00Z"},
		},
	} {
		if got := completeBuild(tt.flags, tt.info); got != tt.want {
			t.Errorf("%s: got build %+v, want %+v", tt.name, got, tt.want)
		}
	}
}
