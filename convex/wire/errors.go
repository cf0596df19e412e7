package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"

	"strait/model/value"
)

// FunctionError is a function that failed on the deployment.
type FunctionError struct {
	Message   string // whole text, request id line included
	Data      value.Value
	HasData   bool
	LogLines  []string
	RequestID string // "" unknown
}

func (e *FunctionError) Error() string {
	if strings.Contains(e.Message, "[Request ID: ") {
		return e.Message
	}
	return e.Message + requestNote(e.RequestID)
}

// requestNote names the request, by which the deployment's log finds it.
func requestNote(id string) string {
	if id == "" {
		return ""
	}
	return " [Request ID: " + id + "]"
}

// Missing reports whether the deployment has no such function (2.5).
func (e *FunctionError) Missing() bool {
	return strings.Contains(e.Message, "Could not find public function") ||
		strings.Contains(e.Message, "Could not find function")
}

// HTTPError is an answer outside of function execution (2.4).
type HTTPError struct {
	Operation string // "POST /api/function"
	URL       string // of the deployment
	Status    int
	Code      string // Convex's short name; "" when the answer was not Convex's
	Message   string
	RequestID string // that it was sent with; "" none
}

func (e *HTTPError) Error() string {
	what := fmt.Sprintf("%s on %s: status %d", e.Operation, e.URL, e.Status)
	if e.Code != "" {
		what += " " + e.Code
	}
	if e.Message != "" {
		what += ": " + e.Message
	}
	if hint := e.hint(); hint != "" {
		what += "; " + hint
	}
	return what + requestNote(e.RequestID)
}

func (e *HTTPError) hint() string {
	switch {
	case e.Code == "BadAdminKey" || e.Code == "BadDeployKey" || e.Code == "InvalidAdminKey":
		return "check that the key belongs to this deployment"
	case e.Code == "OperationNotPermitted":
		return "use a key with that permission"
	case e.Code == "" && e.Status >= 300 && e.Status < 400:
		return "it sends on to another address; give the deployment's own"
	case e.Code == "" && e.Status < 400:
		return "is this the URL of a Convex deployment?"
	case e.Code == "" && e.Status == http.StatusNotFound:
		return "is this the URL of a Convex deployment (…convex.cloud, not …convex.site)?"
	case e.Code == "" && (e.Status == http.StatusUnauthorized || e.Status == http.StatusProxyAuthRequired):
		return "a proxy on the way wants credentials"
	case e.Temporary():
		return "try again in a moment"
	}
	return ""
}

// Refused reports whether the deployment refused the key, or the key may not
// do what was asked (1.2): no use in asking again.
func (e *HTTPError) Refused() bool {
	return e.Code != "" && (e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden || e.Code == "InvalidAdminKey")
}

// Temporary reports whether the same request may succeed later (2.4).
func (e *HTTPError) Temporary() bool {
	switch e.Status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// TransportError is a request that got no usable answer.
type TransportError struct {
	Operation string // "POST /api/function", "WebSocket /api/1.45.0/sync"
	URL       string // of the deployment
	Reason    string // the cause, for people
	Hint      string // what to do next
	Err       error  // the cause
	RequestID string // that it was sent with; "" none
}

func (e *TransportError) Error() string {
	text := fmt.Sprintf("%s on %s: %s", e.Operation, e.URL, e.Reason)
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	return text + requestNote(e.RequestID)
}

func (e *TransportError) Unwrap() error { return e.Err }

// SessionError ends the WebSocket session for good: every subscription and
// mutation gets it, and so do later ones (4.5 rule 7).
type SessionError struct {
	URL  string
	Auth bool // the key was refused
	Text string
}

func (e *SessionError) Error() string {
	if e.Auth {
		return fmt.Sprintf("sign in to %s: %s; check that the key belongs to this deployment", e.URL, e.Text)
	}
	return fmt.Sprintf("live session with %s ended: %s; open the environment again", e.URL, e.Text)
}

// UnknownOutcomeError is a mutation or an action that was sent, and whose
// answer will not be seen: it may or may not have run.
type UnknownOutcomeError struct {
	Action bool // else a mutation
	Path   string
	Err    error // why the waiting ended
}

func (e *UnknownOutcomeError) Error() string {
	if e.Action {
		return fmt.Sprintf("action %s: sent, but its answer was lost (%v): it may have run, in part or whole; read its status before you start it again", e.Path, e.Err)
	}
	return fmt.Sprintf("mutation %s: sent, but its answer was not awaited (%v): it may have run; read its status before you start it again", e.Path, e.Err)
}

func (e *UnknownOutcomeError) Unwrap() error { return e.Err }

// ErrClosed is wrapped by the errors of a Client that was closed.
var ErrClosed = errors.New("client is closed")

// ErrMissing is wrapped by the errors of typed helpers when the deployment has
// no such function.
var ErrMissing = errors.New("the deployment has no such function")

// transport explains why a request got no answer.
func (c *Client) transport(operation string, err error) *TransportError {
	e := &TransportError{Operation: operation, URL: c.base, Err: err}
	var dns *net.DNSError
	var unknown x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var record tls.RecordHeaderError
	switch {
	case errors.Is(err, context.Canceled):
		e.Reason = "canceled"
	case errors.Is(err, context.DeadlineExceeded) || isTimeout(err):
		e.Reason, e.Hint = "no answer in time", "check the network, then try again"
	case errors.As(err, &dns):
		e.Reason, e.Hint = fmt.Sprintf("no such host %q", dns.Name), "check the URL and the network"
	case errors.Is(err, syscall.ECONNREFUSED), strings.Contains(err.Error(), "actively refused"):
		e.Reason, e.Hint = "connection refused", "is the deployment running, and is the port right?"
	case errors.As(err, &unknown), errors.As(err, &hostname):
		e.Reason, e.Hint = c.clean(err.Error()), "the certificate is not the deployment's: check the URL, or a proxy on the way"
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		e.Reason, e.Hint = "the server does not speak TLS", "try http:// in place of https://"
	case errors.Is(err, errTooLarge):
		e.Reason, e.Hint = err.Error(), "ask for fewer documents at a time"
	default:
		e.Reason, e.Hint = c.clean(err.Error()), "check the URL and the network"
	}
	return e
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// clean makes text that came from elsewhere fit for an error: without the key,
// without what a terminal would obey, and not too long.
func (c *Client) clean(text string) string {
	text = CleanText(c.redact(text))
	if len(text) > maxForeignText {
		text = strings.ToValidUTF8(text[:maxForeignText], "") + "…"
	}
	return text
}

// redact takes the key out of text that came from elsewhere.
func (c *Client) redact(text string) string {
	if c.key != "" {
		text = strings.ReplaceAll(text, c.key, "…")
		if _, secret, ok := strings.Cut(c.key, "|"); ok && len(secret) >= 8 {
			text = strings.ReplaceAll(text, secret, "…")
		}
	}
	return text
}

const maxForeignText = 2000
