package main

import (
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version and commit are set by the linker in releases.
var version, commit string

// versionInfo says which program this is.
type versionInfo struct {
	Version string `json:"version"`
	Commit  string `json:"commit"` // empty when unknown
	Go      string `json:"go_version"`
}

func buildVersion() versionInfo {
	v := versionInfo{Version: version, Commit: commit}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	v.Go = info.GoVersion
	if v.Version == "" {
		v.Version = info.Main.Version
	}
	if v.Version == "" || v.Version == "(devel)" {
		v.Version = "devel"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && v.Commit == "" {
			v.Commit = s.Value
		}
	}
	return v
}

// String is the line of version and --version.
func (v versionInfo) String() string {
	text := "callsyncd " + v.Version
	if v.Commit != "" {
		text += " (" + v.Commit + ")"
	}
	return text + ", " + v.Go
}

func newVersion(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "version",
		Short:   "Print the version of this program",
		Example: "  callsyncd version --json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if a.json {
				return a.printValue(buildVersion())
			}
			a.say("%s", buildVersion())
			return nil
		},
	}
	c.Flags().BoolVar(&a.json, "json", false, "print JSON")
	return c
}
