package project

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// Key is what an admin or deploy key tells of itself (convex-wire.md 1.1): the
// part in front of its secret, never the secret.
type Key struct {
	Type       string // dev, prod, preview, custom; "" a bare admin key, as backends issue it
	Deployment string // the deployment's name; "" the key does not tell
}

// Describe says what kind of key it is, for people.
func (k Key) Describe() string {
	of := ""
	if k.Deployment != "" {
		of = " of " + k.Deployment
	}
	switch {
	case k.Type != "":
		return k.Type + " deploy key" + of
	case k.Deployment != "":
		return "admin key" + of
	}
	return "key of an old form, which names no deployment"
}

// ParseKey reads the public part of a key. Keys that stand for no single
// deployment are errors that say what to use in their place. No error holds
// any of the text.
func ParseKey(text string) (Key, error) {
	public, _, whole := strings.Cut(text, "|")
	parts := strings.Split(public, ":")
	switch {
	case text == "":
		return Key{}, errors.New("the key is empty")
	case strings.HasPrefix(text, "<"):
		return Key{}, errors.New("a placeholder stands where the key belongs\nhint: set it to a deploy key of this deployment (dashboard: Settings, Deploy Keys)")
	case strings.ContainsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r > unicode.MaxASCII }):
		return Key{}, errors.New("the key holds spaces or characters that no key has\nhint: copy it again, whole and alone")
	case !whole && len(parts) > 1:
		return Key{}, errors.New("the key ends before its secret\nhint: a shell cuts a key at the |: put it into quotes")
	case !whole:
		return Key{}, nil
	case parts[0] == "project":
		return Key{}, errors.New("this is a project key, which stands for no single deployment\nhint: make a deploy key of this one deployment (dashboard: the deployment's Settings, Deploy Keys)")
	case parts[0] == "preview" && len(parts) == 3:
		return Key{}, fmt.Errorf("this key creates preview deployments of %s/%s and stands for none of them\nhint: make a deploy key of the one preview deployment (dashboard: choose it, then Settings, Deploy Keys)", parts[1], parts[2])
	}
	k := Key{Deployment: parts[len(parts)-1]}
	if len(parts) > 1 {
		k.Type = parts[0]
	}
	return k, nil
}

// cloudName is a cloud deployment's name as the first label of its address.
var cloudName = regexp.MustCompile(`^[a-z]+-[a-z]+-[0-9]+$`)

// Check holds a key against what is said of the environment: that it is of
// another deployment, or of another type, is an error, and nothing is sent.
// The warnings are contradictions that may be meant.
func (e *Env) Check(k Key) (warnings []string, err error) {
	name := e.Deployment
	if name == "" {
		name = nameInAddress(e.URL)
	}
	if name != "" && k.Deployment != "" && k.Deployment != name && (e.Deployment != "" || cloudName.MatchString(k.Deployment)) {
		return nil, fmt.Errorf("the key of environment %s is of deployment %s, but the environment is %s\nhint: give it a key of %s, or name %s in %s", e.Name, k.Deployment, name, name, k.Deployment, configName)
	}
	if e.Type != "" && k.Type != "" && k.Type != e.Type && !e.onDisk() {
		return nil, fmt.Errorf("the key of environment %s is of a %s deployment, but the environment is %s:%s\nhint: give it a key of that deployment, or mend its deployment in %s", e.Name, k.Type, e.Type, e.Deployment, configName)
	}
	words := strings.FieldsFunc(strings.ToLower(e.Name), func(r rune) bool { return strings.ContainsRune("-._", r) })
	says := func(any ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(any, w) })
	}
	switch {
	case k.Type == "prod" && says("dev", "development", "local", "test", "preview"):
		warnings = append(warnings, fmt.Sprintf("the environment is called %s, but its key is of a production deployment", e.Name))
	case (k.Type == "dev" || k.Type == "preview") && says("prod", "production", "live"):
		warnings = append(warnings, fmt.Sprintf("the environment is called %s, but its key is of a %s deployment", e.Name, k.Type))
	}
	if k.Type == "prod" && !e.Protected {
		warnings = append(warnings, "its key is of a production deployment, and it is not protected: write protected = true into "+configName)
	}
	return warnings, nil
}

// nameInAddress is the deployment that a cloud address shows; "" for any other
// address. It is for refusing only: an address is never made up from a name.
func nameInAddress(address string) string {
	u, err := url.Parse(address)
	if err != nil || !strings.HasSuffix(u.Hostname(), ".convex.cloud") {
		return ""
	}
	name, _, _ := strings.Cut(u.Hostname(), ".")
	if !cloudName.MatchString(name) {
		return ""
	}
	return name
}
