package fleet

import (
	"time"

	"strait/convex/wire"
)

// trafficEvery is how often the bytes on the wire are counted.
const trafficEvery = 10 * time.Second

// traffic is what went over the wire of an environment. It is guarded by the
// fleet's mutex.
type traffic struct {
	client  *wire.Client // the one that counts now
	before  wire.Traffic // of the clients before it
	last    wire.Traffic // what client had counted when it was looked at last
	samples []sample     // of the last minute, oldest first
	shown   Traffic
}

type sample struct {
	at    time.Time
	total wire.Traffic
}

// weigh keeps the environments' traffic until the fleet ends.
func (f *Fleet) weigh() {
	tick := time.NewTicker(trafficEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-f.ctx.Done():
			return
		}
		f.mu.Lock()
		news := false
		for _, e := range f.envs {
			if e.weigh(f.now()) {
				e.cache.stale, news = true, true
			}
		}
		f.mu.Unlock()
		if news {
			f.changed.whisper()
		}
	}
}

// weigh counts anew and reports whether the figures by the minute changed.
// f.mu is held.
func (e *env) weigh(now time.Time) (changed bool) {
	t := &e.traffic
	if e.client != t.client {
		t.before = wire.Traffic{Read: t.before.Read + t.last.Read, Written: t.before.Written + t.last.Written}
		t.client, t.last = e.client, wire.Traffic{}
	}
	if t.client != nil {
		t.last = t.client.Traffic()
	}
	total := wire.Traffic{Read: t.before.Read + t.last.Read, Written: t.before.Written + t.last.Written}
	t.samples = append(t.samples, sample{now, total})
	for len(t.samples) > 2 && now.Sub(t.samples[1].at) >= time.Minute {
		t.samples = t.samples[1:]
	}
	old := t.shown
	t.shown = Traffic{Read: total.Read, Written: total.Written}
	first := t.samples[0]
	if span := now.Sub(first.at); span > 0 {
		minutes := max(span.Minutes(), 1) // a shorter time is no less than what it holds
		t.shown.ReadPerMinute = int64(float64(total.Read-first.total.Read) / minutes)
		t.shown.WritePerMinute = int64(float64(total.Written-first.total.Written) / minutes)
	}
	return t.shown.ReadPerMinute != old.ReadPerMinute || t.shown.WritePerMinute != old.WritePerMinute
}
