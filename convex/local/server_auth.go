package local

import (
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
)

// identity is who calls.
type identity struct {
	admin bool
	key   *Key            // of an admin that may not do everything; nil everything
	user  json.RawMessage // what ctx.auth.getUserIdentity answers; nil none
}

// checkKey reads an admin key (1.1), which may carry the user to act as.
func (d *Deployment) checkKey(key string) (identity, error) {
	key, acting, actsAs := cutActing(key)
	var limited *Key
	for _, k := range d.furtherKeys() {
		if sameSecret(normalKey(key), normalKey(k.Key)) {
			limited = &k
		}
	}
	if limited == nil && !sameSecret(normalKey(key), normalKey(d.AdminKey())) {
		return identity{}, &httpError{http.StatusUnauthorized, "BadAdminKey", "The provided admin key was invalid for this instance"}
	}
	id := identity{admin: true, key: limited}
	if !actsAs {
		return id, nil
	}
	if !id.may("ActAsUser") {
		return identity{}, notPermitted("ActAsUser")
	}
	user, err := base64.StdEncoding.DecodeString(acting)
	if err != nil || !json.Valid(user) {
		return identity{}, badRequest("InvalidAdminKey", "The identity to act as is not base64 of JSON")
	}
	return identity{user: user}, nil
}

// cutActing takes the ":BASE64" of a user to act as off a key.
func cutActing(key string) (rest, acting string, ok bool) {
	name, secret, found := strings.Cut(key, "|")
	if !found {
		return key, "", false
	}
	token, acting, ok := strings.Cut(secret, ":")
	return name + "|" + token, acting, ok
}

// normalKey takes the type off a key, "prod:name|secret".
func normalKey(key string) string {
	name, secret, found := strings.Cut(key, "|")
	if !found {
		return key
	}
	if _, after, typed := strings.Cut(name, ":"); typed {
		name = after
	}
	return name + "|" + secret
}

func sameSecret(a, b string) bool {
	return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}

// authenticate reads the Authorization header (1.2).
func (d *Deployment) authenticate(r *http.Request) (identity, error) {
	header := r.Header.Get("Authorization")
	if header == "" {
		if key := r.URL.Query().Get("adminKey"); key != "" {
			return d.checkKey(key)
		}
		return identity{}, nil
	}
	scheme, rest, _ := strings.Cut(header, " ")
	switch {
	case strings.EqualFold(scheme, "Convex"):
		return d.checkKey(strings.TrimSpace(rest))
	case strings.EqualFold(scheme, "Bearer"):
		return identity{}, errNoProvider
	}
	return identity{}, badRequest("InvalidHeaderFailure", "Authorization is neither \"Convex KEY\" nor \"Bearer TOKEN\"")
}

var errNoProvider = &httpError{http.StatusUnauthorized, "NoAuthProvider",
	"No auth provider found matching the given token: the embedded deployment has none. Use an admin key that acts as a user."}

// requireAdmin is authenticate for routes that need the admin key.
func (d *Deployment) requireAdmin(r *http.Request) (identity, error) {
	id, err := d.authenticate(r)
	if err == nil && !id.admin {
		err = d.noAdmin()
	}
	return id, err
}

func (d *Deployment) noAdmin() error {
	return &httpError{http.StatusForbidden, "BadDeployKey", "The provided deploy key was invalid for deployment '" + d.Name() +
		"'. Double check that the environment this key was generated for matches the desired deployment."}
}

// allOps are the operations that the admin key of an embedded deployment may
// do.
var allOps = []string{
	"Deploy", "ViewEnvironmentVariables", "WriteEnvironmentVariables", "PauseDeployment", "UnpauseDeployment",
	"ViewLogs", "ViewMetrics", "ViewIntegrations", "WriteIntegrations", "ViewData", "WriteData", "ViewBackups",
	"CreateBackups", "DownloadBackups", "DeleteBackups", "ImportBackups", "ActAsUser", "RunInternalQueries",
	"RunInternalMutations", "RunInternalActions", "RunTestQuery", "ViewAuditLog", "ViewUsageLimits", "WriteUsageLimits", "ViewUsage",
}

type keyAnswer struct {
	Success    bool     `json:"success"`
	AllowedOps []string `json:"allowedOps"`
	IsReadOnly bool     `json:"isReadOnly"`
}

func (d *Deployment) checkAdminKey(r *http.Request) (keyAnswer, error) {
	id, err := d.requireAdmin(r)
	a := keyAnswer{true, allOps, false}
	if id.key != nil {
		a.AllowedOps, a.IsReadOnly = id.key.ops(), id.key.ReadOnly
	}
	return a, err
}
