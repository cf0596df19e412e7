package ui

import (
	"runtime"
	"runtime/debug"
)

// version is what the build knows of itself: module version or revision.
func version() string {
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
	return v + ", " + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH
}
