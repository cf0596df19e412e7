package ui

import (
	"runtime"
	"runtime/debug"
)

// version is what the build knows of itself, and what it was built with.
func version() string {
	return release() + ", " + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH
}

// release is the module's version or the revision: "strait v1.2.0 (5eb95bdb2)".
func release() string {
	v := "strait (built from source)"
	if info, ok := debug.ReadBuildInfo(); ok {
		if info.Main.Version != "" && info.Main.Version != "(devel)" {
			v = "strait " + info.Main.Version
		}
		rev, dirty := "", ""
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision" && len(s.Value) >= 9:
				rev = s.Value[:9]
			case s.Key == "vcs.modified" && s.Value == "true":
				dirty = ", changed"
			}
		}
		if rev != "" {
			v += " (" + rev + dirty + ")"
		}
	}
	return v
}
