//go:build !windows

package fleet

import (
	"os/exec"
	"syscall"
)

func commandShell() (shell, flag string) { return "sh", "-c" }

// ownGroup gives a command a process group of its own, which is asked to end
// as a whole when its context does.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
}

// endGroup ends what is left of a command's group.
func endGroup(cmd *exec.Cmd) {
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // nothing may be left of it
	}
}
