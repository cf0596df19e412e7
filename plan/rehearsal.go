package plan

import (
	"cmp"
	"math"
	"slices"
	"time"

	"strait/model/value"
)

// Rehearsal is the report of a whole passage on a copy in memory: widen, every
// pending migration, census, narrow.
type Rehearsal struct {
	Env        string         `json:"env,omitempty"` // "" of an export alone
	Deployment string         `json:"deployment,omitempty"`
	Source     string         `json:"source"` // "export prod-2026-11-22.zip", "500 documents a table", "300 made-up documents a table"
	Whole      bool           `json:"whole"`  // the copy holds every document
	Documents  int64          `json:"documents"`
	At         time.Time      `json:"at"`
	Took       time.Duration  `json:"took"`
	Widen      string         `json:"widen,omitempty"` // why it was refused, in Convex's words; "" accepted, or not needed
	Migrations []RehearsedRun `json:"migrations"`      // in the order in which they ran
	Skipped    []Skipped      `json:"skipped,omitempty"`
	Census     *Census        `json:"census,omitempty"`
	Narrow     string         `json:"narrow,omitempty"`  // why the target was refused, in Convex's words; "" it was accepted
	Stopped    string         `json:"stopped,omitempty"` // why it ended before its end, and what was not reached; "" it did not
	Notes      []string       `json:"notes,omitempty"`   // what the copy could not take over, and what that means
}

// Skipped is a migration that a rehearsal did not run.
type Skipped struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// Accepted reports whether the whole passage went through: narrow would be
// accepted and no migration failed.
func (r *Rehearsal) Accepted() bool {
	failed := func(m RehearsedRun) bool { return m.State != "success" || m.Failed > 0 }
	return r.Stopped == "" && r.Widen == "" && r.Narrow == "" && !slices.ContainsFunc(r.Migrations, failed)
}

// RehearsedRun is one migration of a rehearsal.
type RehearsedRun struct {
	Name      string `json:"name"`
	Table     string `json:"table,omitempty"`
	Component string `json:"component,omitempty"` // that defines it; "" the root
	Driver    string `json:"driver"`
	// State is success, or failed: as it would end there, without a person's
	// help. Of one that failed the copy set the documents aside and went on.
	State     string             `json:"state"`
	Documents int64              `json:"documents"` // that it took in hand, failed ones as well
	Changed   int64              `json:"changed"`   // of its table
	Unchanged int64              `json:"unchanged"`
	Deleted   int64              `json:"deleted"`
	Inserted  int64              `json:"inserted"`            // into its own table
	Elsewhere []Written          `json:"elsewhere,omitempty"` // what it wrote in other tables
	Failures  []RehearsedFailure `json:"failures,omitempty"`
	Failed    int64              `json:"failed"`          // documents, those beyond Failures as well
	Error     string             `json:"error,omitempty"` // of a batch that it could not go past; Failures says more
	Batches   int64              `json:"batches"`
	BatchSize int                `json:"batchSize"` // 0: it has none
	Took      time.Duration      `json:"took"`      // here, which tells nothing of there
	Headroom  []Headroom         `json:"headroom"`  // the fullest first: the first one binds
	// Recommended is the batch size that keeps the fullest batch below half of
	// every limit; 0 nothing to recommend, of which Notes says why.
	Recommended int      `json:"recommended"`
	Estimate    Spend    `json:"estimate"` // on the real deployment, with BatchSize
	Notes       []string `json:"notes,omitempty"`
}

// Written is what a migration wrote in a table that is not its own.
type Written struct {
	Component string `json:"component,omitempty"`
	Table     string `json:"table"`
	Inserted  int64  `json:"inserted"`
	Changed   int64  `json:"changed"`
	Deleted   int64  `json:"deleted"`
}

// RehearsedFailure is what a migration failed on: a document, or a whole batch
// when Document is "".
type RehearsedFailure struct {
	Document string       `json:"document,omitempty"`
	Text     string       `json:"text"`            // full
	Summary  string       `json:"summary"`         // one line
	Frame    string       `json:"frame,omitempty"` // "convex/migrations.ts:41"
	Body     value.Object `json:"-"`               // as it was before; nil unknown
	Masked   bool         `json:"masked,omitempty"`
}

// Headroom is how near the fullest batch came to one limit of a transaction
// (convex-wire.md 9.1).
type Headroom struct {
	Limit string  `json:"limit"` // one of LimitNames
	Used  int64   `json:"used"`
	Max   int64   `json:"max"`
	Share float64 `json:"share"`
}

// LimitNames are the limits of a transaction that a rehearsal measures, in
// Convex's order; bytes are bytes.
var LimitNames = [...]string{"documents read", "bytes read", "index ranges read", "documents written", "bytes written", "functions scheduled"}

// Spend is what a migration is estimated to take on its deployment.
type Spend struct {
	Documents    int64         `json:"documents"` // there; 0 unknown
	Calls        int64         `json:"calls"`     // of functions: the batches, and what they schedule
	ReadBytes    int64         `json:"readBytes"`
	WrittenBytes int64         `json:"writtenBytes"`
	Time         time.Duration `json:"time"`            // a lower bound where Bound
	Bound        bool          `json:"bound,omitempty"` // nothing is known of that deployment's speed
	Why          string        `json:"why,omitempty"`   // what the time rests on
}

// Load is what a batch used of the limits, in the order of LimitNames.
type Load [len(LimitNames)]int64

// Batch is one batch of a rehearsal: what it used, for how many documents.
type Batch struct {
	Documents int64
	Load      Load
	Next      bool // of the functions that it scheduled, one is the next batch
}

// Measure gathers what the batches of a migration used. The zero value is
// ready.
type Measure struct {
	Batches int64
	Total   Load
	next    int64 // functions scheduled that are batches
	fullest Load  // of all batches, each limit for itself
	most    int64
	each    [len(LimitNames)]float64 // the most that a document took, on the average of its batch
	factor  [2]float64               // bytes read and written for each byte of its documents
}

// Places in Load.
const (
	documentsRead = iota
	bytesRead
	indexRanges
	documentsWritten
	bytesWritten
	functionsScheduled
)

// Add takes a batch; bytes is the size of its documents as they were.
func (m *Measure) Add(b Batch, bytes int64) {
	m.Batches++
	// Of a batch far smaller than others, what it takes besides its documents
	// would count as theirs.
	telling := b.Documents*2 >= m.most
	if b.Documents > 2*m.most {
		m.each, m.factor = [len(LimitNames)]float64{}, [2]float64{}
	}
	m.most = max(m.most, b.Documents)
	if b.Next {
		m.next++
	}
	for i, n := range b.Load {
		m.Total[i] += n
		m.fullest[i] = max(m.fullest[i], n)
		if b.Documents > 0 && telling {
			m.each[i] = max(m.each[i], float64(n)/float64(b.Documents))
		}
	}
	if bytes > 0 && telling {
		m.factor[0] = max(m.factor[0], float64(b.Load[bytesRead])/float64(bytes))
		m.factor[1] = max(m.factor[1], float64(b.Load[bytesWritten])/float64(bytes))
	}
}

// Most is how many documents the largest batch took.
func (m *Measure) Most() int64 { return m.most }

// Scale is how the deployment's documents differ from the copy's.
type Scale struct {
	Documents int64   // in the table there; 0 as here
	Size      float64 // of a document there by that of one here; 0 as here
	Batch     int     // documents a batch there; 0 as here
}

// Headroom is how near the fullest batch comes to each limit, the fullest
// first. A batch there may hold more documents than a small copy had, and
// larger ones: it is reckoned up to that.
func (m *Measure) Headroom(limits Load, s Scale) []Headroom {
	grown := 1.0
	if full := int64(s.Batch); s.Documents > 0 && m.most > 0 {
		if full = min(full, s.Documents); full > m.most {
			grown = float64(full) / float64(m.most)
		}
	}
	out := make([]Headroom, 0, len(LimitNames))
	for i, name := range LimitNames {
		if limits[i] <= 0 {
			continue
		}
		used := float64(m.fullest[i]) * grown
		if i == bytesRead || i == bytesWritten {
			used *= max(1, s.Size)
		}
		out = append(out, Headroom{name, int64(math.Ceil(used)), limits[i], used / float64(limits[i])})
	}
	slices.SortStableFunc(out, func(a, b Headroom) int { return cmp.Compare(b.Share, a.Share) })
	return out
}

// Friendly are the batch sizes that are recommended. They end where the second
// of JavaScript that a transaction has, which a rehearsal cannot measure, would
// bind next, and where one conflict would cost too much work done again.
var friendly = []int{1000, 750, 500, 400, 300, 250, 200, 150, 100, 75, 50, 40, 30, 25, 20, 15, 10, 5, 4, 3, 2, 1}

// Recommend is the largest friendly batch size with which the fullest batch
// stays below half of every limit; 0 when even one document does not, or
// nothing was measured. sizes are those of the documents in the order in which
// they are migrated, so that large ones side by side are seen; nil: the average
// of the fullest batch stands for them.
func (m *Measure) Recommend(limits Load, s Scale, sizes []int32) int {
	if m.most == 0 {
		return 0
	}
	for _, n := range friendly {
		if m.fits(limits, s, sizes, n) {
			return n
		}
	}
	return 0
}

func (m *Measure) fits(limits Load, s Scale, sizes []int32, n int) bool {
	for i, limit := range limits {
		if limit <= 0 {
			continue
		}
		used := m.each[i] * float64(n)
		if i == bytesRead || i == bytesWritten {
			if sizes != nil {
				side := 0
				if i == bytesWritten {
					side = 1
				}
				used = max(used, m.factor[side]*float64(heaviest(sizes, n)))
			}
			used *= max(1, s.Size)
		}
		if used*2 >= float64(limit) {
			return false
		}
	}
	return true
}

// heaviest is the most that n documents side by side weigh; where there are
// fewer, those there are count as often as it takes.
func heaviest(sizes []int32, n int) int64 {
	var sum, most int64
	for i, size := range sizes {
		sum += int64(size)
		if i >= n {
			sum -= int64(sizes[i-n])
		}
		most = max(most, sum)
	}
	if k := len(sizes); k > 0 && k < n {
		most = most * int64(n) / int64(k)
	}
	return most
}

// Estimate is what a migration takes there: documents it took in hand here,
// those there, and the time that a batch takes there.
func (m *Measure) Estimate(here int64, s Scale, batch time.Duration) Spend {
	e := Spend{Documents: cmp.Or(s.Documents, here)}
	share := 1.0
	if here > 0 {
		share = float64(e.Documents) / float64(here)
	}
	batches := m.Batches
	if e.Documents != here && s.Batch > 0 {
		batches = e.Documents/int64(s.Batch) + 1 // the last page says that there is no more
	}
	size := max(1, s.Size)
	e.Calls = batches + int64(math.Ceil(float64(max(0, m.Total[functionsScheduled]-m.next))*share))
	e.ReadBytes = int64(math.Ceil(float64(m.Total[bytesRead]) * share * size))
	e.WrittenBytes = int64(math.Ceil(float64(m.Total[bytesWritten]) * share * size))
	e.Time = time.Duration(batches) * batch
	return e
}
