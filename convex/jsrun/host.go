package jsrun

import (
	"encoding/json"
	"errors"
	"path"
	"strings"
	"time"
)

// bind registers what the runtime calls of this side.
func (vm *VM) bind() error {
	funcs := map[string]func([]any) (any, error){
		"__host_syscall": vm.hostSyscall,
		"__host_async":   vm.hostAsync,
		"__host_ask":     vm.hostAsk,
		"__host_failure": vm.hostFailure,
		"__host_log":     vm.hostLog,
		"__host_digest":  hostDigest,
		"__host_intl":    vm.hostIntl,
		"__host_env":     vm.hostEnv,
	}
	for name, f := range funcs {
		if err := vm.js.RegisterHostFunc(name, f); err != nil {
			return err
		}
	}
	return nil
}

func texts(args []any, n int) []string {
	out := make([]string, n)
	for i := range min(n, len(args)) {
		out[i], _ = args[i].(string)
	}
	return out
}

// hostSyscall answers Convex.syscall; nil after a failure, whose text
// hostFailure gives.
func (vm *VM) hostSyscall(args []any) (any, error) {
	a := texts(args, 2)
	return vm.reply(func(h Host) (string, error) { return h.Syscall(a[0], a[1]) }), nil
}

func (vm *VM) hostAsync(args []any) (any, error) {
	a := texts(args, 2)
	ctx := vm.run.ctx
	return vm.reply(func(h Host) (string, error) { return h.AsyncSyscall(ctx, a[0], a[1]) }), nil
}

// hostAsk is hostAsync whose answer begins with a space when no value in it
// needs decoding: JavaScript then need not look at every field to find out.
func (vm *VM) hostAsk(args []any) (any, error) {
	answer, err := vm.hostAsync(args)
	if text, ok := answer.(string); ok && plainJSON(text) {
		return " " + text, nil
	}
	return answer, err
}

// plainJSON reports whether no object of a JSON text can have a field that the
// codec decodes ("$integer" and the like) or one that JavaScript treats
// specially. The host's documents have valid field names.
func plainJSON(text string) bool {
	return !strings.Contains(text, `"$`) && !strings.Contains(text, `\u`) && !strings.Contains(text, "__proto__")
}

func (vm *VM) reply(ask func(Host) (string, error)) any {
	r := vm.run
	if r == nil || r.host == nil {
		return nil
	}
	var text string
	err := errors.New("the call was given up")
	r.outside(func() { text, err = ask(r.host) })
	if err == nil {
		return text
	}
	if r.ctx.Err() != nil {
		r.stop(cancelled)
	}
	failure := struct {
		Message string          `json:"message"`
		Data    json.RawMessage `json:"data,omitempty"`
	}{Message: err.Error()}
	var s *SyscallError
	if errors.As(err, &s) {
		failure.Message, failure.Data = s.Message, s.Data
		if s.Fatal {
			r.fatal = err
			r.stop(fatal)
		}
	}
	out, jsonErr := json.Marshal(failure)
	if jsonErr != nil {
		out, _ = json.Marshal(map[string]string{"message": err.Error()})
	}
	r.last = string(out)
	return nil
}

func (vm *VM) hostFailure([]any) (any, error) {
	if vm.run == nil || vm.run.last == "" {
		return `{"message":"no host answers here"}`, nil
	}
	return vm.run.last, nil
}

func (vm *VM) hostLog(args []any) (any, error) {
	a := texts(args, 2)
	line := LogLine{Level: a[0], Time: time.Now()}
	if err := json.Unmarshal([]byte(a[1]), &line.Messages); err != nil {
		return nil, nil
	}
	for i, text := range line.Messages {
		line.Messages[i] = vm.program.mapText(text)
	}
	if r := vm.run; r != nil && r.host != nil {
		r.outside(func() { r.host.Log(line) })
	}
	return nil, nil
}

func (vm *VM) hostEnv([]any) (any, error) {
	env := vm.program.options.Env
	if env == nil {
		env = map[string]string{}
	}
	text, err := json.Marshal(env)
	return string(text), err
}

// operationName is the last part of a syscall's name: "insert" of "1.0/insert".
func operationName(op string) string { return path.Base(op) }

func join(words []string) string { return strings.Join(words, ", ") }
