package wire

import "sync"

// mailbox hands values to a callback in a goroutine of its own, one at a
// time. It has one slot: a value that was not yet picked up gives way to a
// newer one, so put never waits.
type mailbox[T any] struct {
	fn   func(T)
	wake chan struct{}
	quit chan struct{}
	done chan struct{}
	once sync.Once

	mu   sync.Mutex
	val  T
	full bool
}

func newMailbox[T any](fn func(T)) *mailbox[T] {
	m := &mailbox[T]{fn: fn, wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
	go m.deliver()
	return m
}

func (m *mailbox[T]) put(v T) {
	m.mu.Lock()
	m.val, m.full = v, true
	m.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

func (m *mailbox[T]) deliver() {
	defer close(m.done)
	for {
		select {
		case <-m.quit:
			return
		case <-m.wake:
		}
		m.mu.Lock()
		v, full := m.val, m.full
		var none T
		m.val, m.full = none, false
		m.mu.Unlock()
		select {
		case <-m.quit: // stopping wins over a value
			return
		default:
		}
		if full {
			m.fn(v)
		}
	}
}

// stop ends the delivery and returns when no callback runs any more.
func (m *mailbox[T]) stop() {
	m.once.Do(func() { close(m.quit) })
	<-m.done
}
