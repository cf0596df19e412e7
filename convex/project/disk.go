package project

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// This file finds the deployments that the Convex CLI keeps on this machine
// (convex-wire.md 1.5).

// diskConfig is the CLI's config.json of such a deployment, without its keys.
type diskConfig struct {
	Ports struct {
		Cloud int `json:"cloud"`
	} `json:"ports"`
	BackendVersion string `json:"backendVersion"`
	DeploymentName string `json:"deploymentName"`
}

func (c diskConfig) url() string { return fmt.Sprintf("http://127.0.0.1:%d", c.Ports.Cloud) }

// readDiskConfig reads a config.json; ok is false when there is none, or none
// that names a port.
func readDiskConfig(path string) (c diskConfig, ok bool) {
	text, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(text, &c) != nil {
		return diskConfig{}, false
	}
	return c, c.Ports.Cloud > 0 && c.Ports.Cloud < 1<<16
}

// projectDisk is where the CLI keeps the deployment of a project; one for each
// project, of either kind.
func projectDisk(dir string) string {
	return filepath.Join(dir, ".convex", "local", "default", "config.json")
}

// homeDisk is where older versions of the CLI kept them; "" when a name cannot
// be a folder's.
func homeDisk(lookup lookupEnv, name string) string {
	home, err := os.UserHomeDir()
	if err != nil || name == "" || strings.ContainsAny(name, `/\`) || strings.HasPrefix(name, ".") {
		return ""
	}
	folder := "convex-backend-state"
	if strings.HasPrefix(name, "anonymous-") {
		folder = "anonymous-convex-backend-state"
	}
	return filepath.Join(home, cliFolder(lookup), folder, name, "config.json")
}

// cliFolder is the CLI's folder in the home folder, which is another one when
// it is told of another provision host.
func cliFolder(lookup lookupEnv) string {
	host, _ := lookup(varProvision)
	if host == "" {
		return ".convex"
	}
	if parts := strings.Split(host, ":"); len(parts) > 2 && parts[2] != "8050" {
		return ".convex-test-" + parts[2]
	}
	return ".convex-test"
}

// loggedIn reports whether the CLI holds a login, whose token Strait does not
// use.
func loggedIn(lookup lookupEnv) bool {
	if t, _ := lookup("CONVEX_OVERRIDE_ACCESS_TOKEN"); t != "" {
		return true
	}
	home, err := os.UserHomeDir()
	return err == nil && isFile(filepath.Join(home, cliFolder(lookup), "config.json"))
}

// findDisk finds the deployment called name: in the project when its config
// has that name or none, else in the home folder.
func findDisk(dir string, lookup lookupEnv, name string) (path string, c diskConfig, ok bool) {
	path = projectDisk(dir)
	if c, ok := readDiskConfig(path); ok && (c.DeploymentName == "" || c.DeploymentName == name) {
		return path, c, true
	}
	if path = homeDisk(lookup, name); path != "" {
		c, ok = readDiskConfig(path)
	}
	return path, c, ok
}

// place gives an environment the address and the key file of its deployment
// on this machine.
func (e *Env) place(path string, c diskConfig) {
	e.keyFile, e.URL = path, c.url()
	if c.DeploymentName != "" {
		e.Deployment = c.DeploymentName
	}
	e.Type = typeOnDisk(e.Deployment)
}

// typeOnDisk tells the two kinds apart as the CLI does, by the name.
func typeOnDisk(name string) string {
	if strings.HasPrefix(name, "anonymous-") {
		return "anonymous"
	}
	return "local"
}
