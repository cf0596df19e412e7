package fleet

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"strait/plan"
)

// journal is the append-only record of every action and its answer:
// .strait/journal.jsonl in the project, one JSON object a line, on the disk
// before the action goes out and again when the answer came back. It holds no
// key and no document.
type journal struct {
	path string
	mu   sync.Mutex
	file *os.File        // opened by the first write
	own  map[string]bool // ids that this process wrote since the last call of news
}

// entry is one line of the journal. ID ties an answer to its action.
type entry struct {
	At         time.Time `json:"at"`
	ID         string    `json:"id"`
	Phase      string    `json:"phase"` // asked, answered, ended: how a run in the background ended later, tuned: a run under way was changed, certified, revoked
	Action     string    `json:"action"`
	Env        string    `json:"env"`
	Deployment string    `json:"deployment,omitempty"`
	URL        string    `json:"url,omitempty"`
	Migration  string    `json:"migration,omitempty"`
	BatchSize  int       `json:"batchSize,omitempty"`
	Reset      bool      `json:"reset,omitempty"`
	FromCursor bool      `json:"fromCursor,omitempty"` // it begins at a given place; a cursor holds values of documents
	Supervised bool      `json:"supervised,omitempty"` // driven batch by batch
	Paused     *bool     `json:"paused,omitempty"`     // of a tuning, as what follows: what was set; absent as it was
	Steps      *int      `json:"steps,omitempty"`
	Batch      *int      `json:"batch,omitempty"` // documents; 0 the definition's
	Throttle   string    `json:"throttle,omitempty"`
	By         string    `json:"by,omitempty"`
	Typed      bool      `json:"typed,omitempty"`    // the environment's name was typed
	Override   string    `json:"override,omitempty"` // reason
	Reveal     bool      `json:"reveal,omitempty"`   // the answer shows values of a protected environment's documents
	Code       string    `json:"code,omitempty"`     // hash of the migration's source
	Outcome    string    `json:"outcome,omitempty"`  // ok, failed, unknown: it may have run
	Error      string    `json:"error,omitempty"`    // without values
	Processed  int64     `json:"processed,omitempty"`
	Offenders  *int64    `json:"offenders,omitempty"` // of a census
	Schema     string    `json:"schema,omitempty"`    // hash of the schema that was counted against or deployed
	Seed       uint64    `json:"seed,omitempty"`      // of a proof

	Verdicts    map[string]plan.Verdict `json:"verdicts,omitempty"`    // of a proof, by title of the row
	Certificate *plan.Certificate       `json:"certificate,omitempty"` // of certified and revoked
	Backup      *plan.Backup            `json:"backup,omitempty"`
}

func newJournal(root string) *journal {
	return &journal{path: filepath.Join(root, ".strait", "journal.jsonl")}
}

// write appends an entry and waits until it is on the disk.
func (j *journal) write(e entry) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.open(); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if j.own == nil {
		j.own = map[string]bool{}
	}
	j.own[e.ID] = true
	_, err = j.file.Write(append(line, '\n'))
	if err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		j.file.Close() // opened again, the torn line is ended
		j.file = nil
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

// open opens the file, and ends a line that an interrupted write has torn, so
// that the next entry does not hang on to it.
func (j *journal) open() error {
	if j.file != nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(j.path), 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(j.path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	j.file = file
	info, err := file.Stat()
	if err != nil || info.Size() == 0 {
		return err
	}
	last := make([]byte, 1)
	if _, err := file.ReadAt(last, info.Size()-1); err != nil || last[0] == '\n' {
		return err
	}
	_, err = file.Write([]byte{'\n'})
	return err
}

// tornLine is the phase of what stands for a line that cannot be read, as an
// interrupted write may leave one.
const tornLine = "torn"

// longestEntry bounds what is read of one line, in bytes.
const longestEntry = 1 << 20

// read calls fn for every entry, oldest first, and gives the place behind the
// last whole line. A line that cannot be read is an entry of which only the
// phase is set, torn: what it took back nobody knows.
func (j *journal) read(fn func(entry)) (to int64, err error) {
	file, err := os.Open(j.path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("journal: %w", err)
	}
	defer file.Close()
	lines := bufio.NewReaderSize(file, 1<<16)
	for {
		line, n, err := readLine(lines)
		var e entry
		switch {
		case len(line) == 0:
		case len(line) > longestEntry || json.Unmarshal(line, &e) != nil:
			fn(entry{Phase: tornLine})
		default:
			fn(e)
		}
		if err == io.EOF {
			return to, nil
		}
		if err != nil {
			return to, fmt.Errorf("journal: %w", err)
		}
		to += n
	}
}

// readLine is the next line without its end, and how many bytes it takes with
// it; of one that is too long, a part that is too long as well.
func readLine(r *bufio.Reader) (line []byte, n int64, err error) {
	for {
		part, err := r.ReadSlice('\n')
		n += int64(len(part))
		if len(line) <= longestEntry {
			line = append(line, part...)
		}
		if err != bufio.ErrBufferFull {
			return bytes.TrimSpace(line), n, err
		}
	}
}

// news gives the entries that others wrote behind a place, and the place up to
// which it read, at most longestEntry bytes further: what it takes does not grow
// with the file, and is one stat while nothing was added.
func (j *journal) news(from int64) (out []entry, to int64, err error) {
	j.mu.Lock() // none of this process's lines is on its way, so own knows them all
	defer j.mu.Unlock()
	info, err := os.Stat(j.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, 0, nil
	case err != nil:
		return nil, from, fmt.Errorf("journal: %w", err)
	case info.Size() < from:
		from = 0 // another file took its place
	}
	if info.Size() == from {
		return nil, from, nil
	}
	file, err := os.Open(j.path)
	if err != nil {
		return nil, from, fmt.Errorf("journal: %w", err)
	}
	defer file.Close()
	text := make([]byte, min(info.Size()-from, longestEntry))
	n, err := file.ReadAt(text, from)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, from, fmt.Errorf("journal: %w", err)
	}
	text = text[:n]
	if end := bytes.LastIndexByte(text, '\n'); end >= 0 || n < longestEntry {
		text = text[:end+1] // a line that is longer is no entry, and is passed over
	}
	to = from + int64(len(text))
	out = slices.DeleteFunc(entriesIn(text), func(e entry) bool { return j.own[e.ID] })
	if to == info.Size() {
		clear(j.own)
	}
	return out, to, nil
}

// entriesIn are the entries of whole lines; a line that cannot be read is passed
// over.
func entriesIn(text []byte) (out []entry) {
	for line := range bytes.SplitSeq(text, []byte{'\n'}) {
		var e entry
		if len(line) > 0 && json.Unmarshal(line, &e) == nil {
			out = append(out, e)
		}
	}
	return out
}

func (j *journal) close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		return nil
	}
	err := j.file.Close()
	j.file = nil
	return err
}
