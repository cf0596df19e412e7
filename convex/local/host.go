package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"strait/convex/jsrun"
	"strait/model/value"
)

// Syscall answers Convex.syscall (convex-wire.md 12.3).
func (f *function) Syscall(op, args string) (string, error) {
	var out string
	var err error
	switch op {
	case "1.0/queryStream":
		out, err = f.queryStream(args)
	case "1.0/queryCleanup":
		out, err = f.queryCleanup(args)
	case "1.0/db/normalizeId":
		out, err = f.normalizeID(args)
	case "1.0/componentArgument":
		out, err = f.componentArgument(args)
	default:
		err = userErrorf("UnknownOperation", "Unknown operation %s", op)
	}
	return out, f.reject(err)
}

// AsyncSyscall answers Convex.asyncSyscall (convex-wire.md 12.4).
func (f *function) AsyncSyscall(ctx context.Context, op, args string) (string, error) {
	out, err := f.answer(ctx, op, args)
	return out, f.reject(err)
}

// reject makes an error what JavaScript catches; a transaction limit ends the
// function.
func (f *function) reject(err error) error {
	if err == nil {
		return nil
	}
	var sys *jsrun.SyscallError
	if errors.As(err, &sys) {
		return err
	}
	var u *userError
	if errors.As(err, &u) {
		f.thrown = u
		return &jsrun.SyscallError{Message: u.message, Data: u.data, Fatal: u.limit}
	}
	var l *value.LimitError
	if errors.As(err, &l) {
		f.thrown = &userError{code: l.Code, message: l.Message}
	}
	return &jsrun.SyscallError{Message: err.Error()}
}

func (f *function) answer(ctx context.Context, op, args string) (string, error) {
	switch op {
	case "1.0/getUserIdentity":
		if len(f.run.identity) == 0 {
			return "null", nil
		}
		return string(f.run.identity), nil
	case "1.0/getFunctionMetadata":
		return marshal(map[string]string{"name": f.fn.Path(), "componentPath": f.component.Path})
	case "1.0/getDeploymentMetadata":
		return marshal(map[string]string{"name": f.run.d.name, "region": "embedded", "class": "embedded"})
	case "1.0/getRequestMetadata":
		return f.requestMetadata()
	case "1.0/createFunctionHandle":
		return f.createHandle(args)
	case "1.0/auditLog":
		return "null", nil
	case "1.0/storageGetUrl", "1.0/storageGetMetadata":
		return "null", nil // no file is ever stored here
	case "1.0/storageGenerateUploadUrl", "1.0/storageDelete", "1.0/storageStore", "1.0/storageGet":
		return "", userErrorf("StorageUnsupported", "File storage is not available in the embedded deployment (%s). Run this against a real deployment.", op)
	}
	if f.tx == nil {
		return f.actionSyscall(ctx, op, args)
	}
	switch op {
	case "1.0/get":
		return f.get(args)
	case "1.0/queryStreamNext":
		return f.queryStreamNext(args)
	case "1.0/queryPage":
		return f.queryPage(args)
	case "1.0/count":
		return f.count(args)
	case "1.0/runUdf":
		return f.runUDF(ctx, args)
	case "1.0/getTransactionMetrics":
		return f.transactionMetrics()
	}
	if f.fn.Type != jsrun.Mutation {
		switch op {
		case "1.0/insert", "1.0/shallowMerge", "1.0/replace", "1.0/remove", "1.0/schedule", "1.0/cancel_job":
			return "", userErrorf("UnauthorizedInQuery", "Cannot call %s in a query: queries only read", op)
		}
	}
	switch op {
	case "1.0/insert":
		return f.insert(args)
	case "1.0/shallowMerge":
		return f.write(args, "db.patch", true)
	case "1.0/replace":
		return f.write(args, "db.replace", false)
	case "1.0/remove":
		return f.remove(args)
	case "1.0/schedule":
		return f.schedule(args)
	case "1.0/cancel_job":
		return f.cancelJob(args)
	}
	return "", userErrorf("UnknownAsyncOperation", "Unknown async operation %s", op)
}

func marshal(v any) (string, error) {
	text, err := json.Marshal(v)
	return string(text), err
}

func (f *function) requestMetadata() (string, error) {
	if f.fn.Type == jsrun.Query {
		return "", userErrorf("RequestMetadataNotAllowed", "Cannot get request metadata in a %s", f.fn.Type)
	}
	job := any(nil)
	if f.run.job != "" {
		job = f.run.job
	}
	return marshal(map[string]any{
		"ip": nil, "userAgent": nil, "requestId": f.run.requestID,
		"scheduledFunctionId": job, "authToken": nil,
	})
}

// transactionMetrics answers ctx.meta.getTransactionMetrics (9.1).
func (f *function) transactionMetrics() (string, error) {
	type metric struct {
		Used      int `json:"used"`
		Remaining int `json:"remaining"`
	}
	of := func(used, limit int) metric { return metric{used, limit - used} }
	u, l := &f.tx.usage, &f.tx.limits
	return marshal(map[string]metric{
		"bytesRead": of(u.BytesRead, l.BytesRead), "bytesWritten": of(u.BytesWritten, l.BytesWritten),
		"databaseQueries": of(f.tx.reads.count, l.IndexRanges), "documentsRead": of(u.DocumentsRead, l.DocumentsRead),
		"documentsWritten": of(u.DocumentsWritten, l.DocumentsWritten), "functionsScheduled": of(u.FunctionsScheduled, l.FunctionsScheduled),
		"scheduledFunctionArgsBytes": of(u.scheduledArgsBytes, l.ScheduledArgsBytes),
	})
}

// componentArgument answers 1.0/componentArgument.
func (f *function) componentArgument(args string) (string, error) {
	o, err := parseObject(args)
	if err != nil {
		return "", badArguments("componentArgument", err)
	}
	name, _ := o.text("name")
	if v, ok := f.component.Args[name]; ok {
		return `{"value":` + string(v) + `}`, nil
	}
	return "{}", nil
}

func badArguments(method string, err error) *userError {
	return userErrorf("InvalidArgument", "Invalid arguments for `%s`: %v", method, err)
}

// createHandle answers 1.0/createFunctionHandle.
func (f *function) createHandle(args string) (string, error) {
	o, err := parseObject(args)
	if err != nil {
		return "", badArguments("createFunctionHandle", err)
	}
	if h, ok := o.text("functionHandle"); ok {
		return marshal(h)
	}
	a, err := f.run.code.address(f.component, o, "createFunctionHandle")
	if err != nil {
		return "", err
	}
	h, err := f.run.code.handle(a)
	if err != nil {
		return "", err
	}
	return marshal(h)
}

// lookup finds a function of the deployed code.
func (r *execution) lookup(a functionAddress) (*jsrun.Component, jsrun.Function, bool) {
	c := r.code.component(a.component)
	if c == nil {
		return nil, jsrun.Function{}, false
	}
	fn, ok := c.Function(a.path)
	return c, fn, ok
}

func missingFunction(a functionAddress) string {
	return fmt.Sprintf("Could not find function for '%s'%s. Did you forget to run `npx convex dev`?", shortPath(a.path), inComponent(a.component))
}

// shortPath leaves out the name of a default export.
func shortPath(path string) string {
	if p, ok := cutSuffix(path, ":default"); ok {
		return p
	}
	return path
}

func cutSuffix(s, suffix string) (string, bool) {
	if len(s) > len(suffix) && s[len(s)-len(suffix):] == suffix {
		return s[:len(s)-len(suffix)], true
	}
	return s, false
}
