package fleet

import "os/exec"

func commandShell() (shell, flag string) { return "cmd", "/C" }

// ownGroup leaves the command as it is: Windows ends it alone.
func ownGroup(*exec.Cmd) {}

func endGroup(*exec.Cmd) {}
