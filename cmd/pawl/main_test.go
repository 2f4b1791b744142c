package main

import (
	"runtime/debug"
	"testing"

	"github.com/pawldata/pawl/internal/adapters/cli"
)

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
		flags cli.Build // set by -ldflags
		info  *debug.BuildInfo
		want  cli.Build
	}{
		{"no information", cli.Build{}, nil, cli.Build{Version: "(unknown)"}},
		{"no version", cli.Build{}, &debug.BuildInfo{}, cli.Build{Version: "(unknown)"}},
		{"from the go command", cli.Build{}, info, cli.Build{Version: "v1.2.3", Commit: "abc", Date: "2026-11-24T19:30:00Z"}},
		{
			"flags prevail",
			cli.Build{Version: "v2.0.0", Commit: "def"},
			info,
			cli.Build{Version: "v2.0.0", Commit: "def", Date: "2026-11-24T19:30:00Z"},
		},
	} {
		if got := completeBuild(tt.flags, tt.info); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
}
