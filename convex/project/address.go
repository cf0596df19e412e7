package project

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
	"unicode"
)

const (
	provisionHost = "https://api.convex.dev"
	nameTimeout   = 5 * time.Second
	urlTimeout    = 15 * time.Second
	urlAttempts   = 3
)

// ResolveURL is the address of the environment's deployment: the one that is
// written down, that of a deployment on this machine, or what Convex says of
// the deploy key (convex-wire.md 1.4); a cloud deployment's address must not be
// made up from its name. Where name and address are both known, the deployment
// is asked for its name, without the key, and another one is refused.
func (e Env) ResolveURL(ctx context.Context, key string) (string, error) {
	if e.keyFile != "" {
		return e.diskURL(ctx)
	}
	if e.URL != "" {
		if e.Deployment == "" {
			return e.URL, nil
		}
		if name, err := instanceName(ctx, e.URL); err == nil && name != e.Deployment {
			return "", fmt.Errorf("environment %s: %s is deployment %s, not %s\nhint: mend its url or its deployment in %s", e.Name, e.URL, name, e.Deployment, configName)
		}
		return e.URL, nil // one that does not answer is the client's to explain
	}
	host, _ := e.getenv()(varProvision)
	if host == "" {
		host = provisionHost
	}
	address, err := askURL(ctx, host, key)
	if err != nil {
		return "", fmt.Errorf("address of environment %s: %w\nhint: write its url into %s", e.Name, err, configName)
	}
	return address, nil
}

// diskURL is the address of a deployment on this machine, once it is sure that
// this very deployment answers there: another one may have taken its port.
func (e Env) diskURL(ctx context.Context) (string, error) {
	c, ok := readDiskConfig(e.keyFile) // each time: the port may change with each start
	if !ok {
		return "", fmt.Errorf("environment %s: %s tells no address\nhint: npx convex dev makes and starts the deployment", e.Name, e.keyFile)
	}
	name, err := instanceName(ctx, c.url())
	var unanswered *url.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "", fmt.Errorf("environment %s: the deployment %s on this machine is stopped: nothing listens at %s\nhint: npx convex dev starts it", e.Name, e.Deployment, c.url())
	case errors.As(err, &unanswered):
		return "", fmt.Errorf("environment %s: the deployment %s on this machine does not answer at %s: %w\nhint: npx convex dev starts it", e.Name, e.Deployment, c.url(), unanswered.Err)
	case err != nil:
		return "", fmt.Errorf("environment %s: what listens at %s is no Convex deployment: %w\nhint: npx convex dev starts %s", e.Name, c.url(), err, e.Deployment)
	case e.Deployment != "" && name != e.Deployment:
		return "", fmt.Errorf("environment %s: the deployment %s on this machine is stopped: %s answers at %s\nhint: npx convex dev in this project starts it", e.Name, e.Deployment, name, c.url())
	}
	return c.url(), nil
}

// instanceName asks a deployment for its name. No key is sent.
func instanceName(ctx context.Context, address string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, nameTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(address, "/")+"/instance_name", nil)
	if err != nil {
		return "", errors.New("the address cannot be read")
	}
	res, err := steady.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<10))
	name := strings.TrimSpace(string(text))
	if err != nil || res.StatusCode != http.StatusOK || !deploymentName.MatchString(name) {
		return "", fmt.Errorf("GET /instance_name answered %s and no name", res.Status)
	}
	return name, nil
}

// steady follows no redirect: nobody else is to get the key.
var steady = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// unasked says why a host could not be asked, in words of this machine's
// network, without the address of its resolver.
func unasked(host string, err error) error {
	var name *net.DNSError
	switch {
	case errors.As(err, &name) && !name.IsNotFound:
		return fmt.Errorf("the name %s cannot be resolved: is this machine online?", host)
	case name != nil:
		return fmt.Errorf("no such host %s: is this machine online?", host)
	}
	var asked *url.Error // would repeat the address
	if errors.As(err, &asked) {
		err = asked.Err
	}
	return fmt.Errorf("%s cannot be asked: %w", host, err)
}

// askURL asks the provision host where the deployment of a key lives. The
// question changes nothing, so it is repeated when it fails in passing.
func askURL(ctx context.Context, host, key string) (string, error) {
	at, err := url.Parse(strings.TrimSuffix(host, "/"))
	switch {
	case err != nil || at.Host == "" || at.User != nil || at.Scheme != "https" && at.Scheme != "http":
		return "", errors.New(varProvision + " is not an http or https address")
	case at.Scheme == "http" && !isLoopback(at.Hostname()):
		return "", fmt.Errorf("%s would send the key unencrypted to %s: use https", varProvision, at.Host)
	}
	ctx, cancel := context.WithTimeout(ctx, urlTimeout)
	defer cancel()
	for attempt := 1; ; attempt++ {
		address, err := postKey(ctx, at, key)
		var passing *passingError
		if err == nil || attempt == urlAttempts || !errors.As(err, &passing) {
			return address, err
		}
		select {
		case <-ctx.Done():
			return "", err
		case <-time.After(time.Duration(attempt) * 300 * time.Millisecond):
		}
	}
}

// passingError is a failure that may be over in a moment.
type passingError struct{ error }

func (e *passingError) Unwrap() error { return e.error }

func postKey(ctx context.Context, at *url.URL, key string) (string, error) {
	body, err := json.Marshal(map[string]string{"deployKey": key})
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at.String()+"/api/deployment/url_for_key", bytes.NewReader(body))
	if err != nil {
		return "", errors.New(varProvision + " is not an address")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Convex-Client", "npm-cli-1.45.0")
	res, err := steady.Do(req)
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			return "", fmt.Errorf("%s did not answer in time", at.Host)
		}
		return "", &passingError{unasked(at.Host, err)}
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return "", &passingError{fmt.Errorf("%s: %w", at.Host, err)}
	}
	if res.StatusCode != http.StatusOK {
		return "", refusedKey(at.Host, res.StatusCode, text, key)
	}
	var address string
	if json.Unmarshal(text, &address) == nil {
		if u, err := url.Parse(address); err == nil && u.Host != "" && u.User == nil && (u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname())) {
			return strings.TrimSuffix(address, "/"), nil
		}
	}
	return "", fmt.Errorf("%s gave no address: is a proxy on the way?", at.Host)
}

// refusedKey explains an answer that is no address.
func refusedKey(host string, status int, text []byte, key string) error {
	var body struct{ Code, Message string }
	why := ""
	if json.Unmarshal(text, &body) == nil && body.Message != "" {
		why = ": " + withoutKey(body.Message, key)
	}
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return fmt.Errorf("%s does not accept the key%s: it may have been deleted", host, why)
	case status == http.StatusNotFound || status == http.StatusBadRequest:
		return fmt.Errorf("%s knows no deployment of this key%s", host, why)
	}
	err := fmt.Errorf("%s answered %d %s%s", host, status, http.StatusText(status), why)
	if status == http.StatusTooManyRequests || status >= 500 {
		return &passingError{err}
	}
	return err
}

// withoutKey takes a key, its secret and what a terminal would obey out of
// foreign text, and cuts it.
func withoutKey(text, key string) string {
	if key != "" {
		text = strings.ReplaceAll(text, key, "…")
	}
	if _, secret, ok := strings.Cut(key, "|"); ok && secret != "" {
		text = strings.ReplaceAll(text, secret, "…")
	}
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	if len(text) > 200 {
		text = strings.ToValidUTF8(text[:200], "") + "…"
	}
	return text
}
