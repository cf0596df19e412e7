package local

import (
	"context"
	"sync"

	"strait/convex/jsrun"
)

// maxIdleVMs bounds the engines kept warm; each holds its program's heap.
const maxIdleVMs = 12

// pool keeps engines between calls. Every function frame has one of its own,
// so a nested call never waits for its caller's.
type pool struct {
	mu     sync.Mutex
	idle   []idleVM // the one used last at the end
	closed bool
	open   sync.WaitGroup
}

type idleVM struct {
	program *jsrun.Program
	vm      *jsrun.VM
}

// get takes a warm engine of the program, or opens one.
func (p *pool) get(ctx context.Context, program *jsrun.Program) (*jsrun.VM, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, errClosed
	}
	p.open.Add(1)
	for i := len(p.idle) - 1; i >= 0; i-- {
		if p.idle[i].program == program {
			vm := p.idle[i].vm
			p.idle = append(p.idle[:i], p.idle[i+1:]...)
			p.mu.Unlock()
			return vm, nil
		}
	}
	p.mu.Unlock()
	vm, err := program.Open(ctx)
	if err != nil {
		p.open.Done()
	}
	return vm, err
}

// put gives an engine back; one that was interrupted is closed.
func (p *pool) put(program *jsrun.Program, vm *jsrun.VM) {
	defer p.open.Done()
	if vm.Dirty() {
		vm.Close()
		return
	}
	p.mu.Lock()
	var drop *jsrun.VM
	switch {
	case p.closed:
		drop = vm
	default:
		p.idle = append(p.idle, idleVM{program, vm})
		if len(p.idle) > maxIdleVMs {
			drop = p.idle[0].vm
			p.idle = p.idle[1:]
		}
	}
	p.mu.Unlock()
	if drop != nil {
		drop.Close()
	}
}

// retain closes idle engines of programs that are no longer deployed.
func (p *pool) retain(app *jsrun.App) {
	keep := map[*jsrun.Program]bool{}
	for _, c := range app.Components {
		keep[c.Program] = true
	}
	p.mu.Lock()
	var drop []*jsrun.VM
	var rest []idleVM
	for _, i := range p.idle {
		if keep[i.program] {
			rest = append(rest, i)
		} else {
			drop = append(drop, i.vm)
		}
	}
	p.idle = rest
	p.mu.Unlock()
	for _, vm := range drop {
		vm.Close()
	}
}

// close closes idle engines at once and waits for the busy ones.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, i := range idle {
		i.vm.Close()
	}
	p.open.Wait()
}
