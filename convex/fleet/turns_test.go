package fleet

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whatever changes when: after a quiet moment nothing waits, and over any while
// no more goes out than snapshotsPerSecond and the few at once.
func TestTurns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var (
			turns turns
			out   []time.Time
			now   = time.Unix(1e9, 0)
		)
		for range rapid.IntRange(1, 60).Draw(t, "changes") {
			gap := time.Duration(rapid.IntRange(0, 400).Draw(t, "gap")) * time.Millisecond
			now = now.Add(gap)
			wait := turns.take(now)
			if gap > atOnce*time.Second/snapshotsPerSecond && wait > 0 {
				t.Fatalf("waits %v after %v of quiet", wait, gap)
			}
			now = now.Add(wait) // the next change is looked for after this one went out
			out = append(out, now)
			for i := range out {
				while := now.Sub(out[i])
				if most := atOnce + int((while+time.Microsecond)*snapshotsPerSecond/time.Second); len(out)-i > most {
					t.Fatalf("%d in %v, at most %d", len(out)-i, while, most)
				}
			}
		}
	})
}
