package fleet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Entry is one line of the journal, for those who show it.
type Entry = entry

// Journal is the end of a project's journal.
type Journal struct {
	Entries []Entry // oldest first
	More    bool    // older ones are not among them
	Size    int64   // bytes of the file when it was read
}

// journalMost bounds what Journal reads of the file: entries are some 300 bytes.
const journalMost = 8 << 20

// Journal reads the last n entries of the journal, from its end, so that what it
// takes does not grow with the file. It gives have back when nothing was added
// since that was read, by this process or another one.
func (f *Fleet) Journal(n int, have Journal) (Journal, error) {
	f.mu.Lock()
	j := f.journal
	f.mu.Unlock()
	if j == nil {
		return have, nil
	}
	return j.last(n, have)
}

// ReadJournal is Journal of the project at root, without a fleet.
func ReadJournal(root string, n int) (Journal, error) {
	return newJournal(root).last(n, Journal{})
}

func (j *journal) last(n int, have Journal) (Journal, error) {
	file, err := os.Open(j.path)
	if errors.Is(err, fs.ErrNotExist) {
		return Journal{}, nil
	}
	if err != nil {
		return have, fmt.Errorf("journal: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return have, fmt.Errorf("journal: %w", err)
	}
	if have.Size == info.Size() && have.Size > 0 {
		return have, nil
	}
	text, whole, err := tailOf(file, info.Size(), n)
	if err != nil {
		return have, fmt.Errorf("journal: %w", err)
	}
	out := Journal{Entries: entriesIn(text), Size: info.Size(), More: !whole}
	if len(out.Entries) > n {
		out.Entries, out.More = out.Entries[len(out.Entries)-n:], true
	}
	return out, nil
}

// tailOf reads at least the last n lines of a file of so many bytes, and tells
// whether that is all of it.
func tailOf(file io.ReaderAt, size int64, n int) (text []byte, whole bool, err error) {
	const block = 64 << 10
	at := size
	for at > 0 && bytes.Count(text, []byte{'\n'}) <= n && len(text) < journalMost {
		from := max(0, at-block)
		head := make([]byte, at-from, at-from+int64(len(text)))
		if _, err := file.ReadAt(head, from); err != nil && !errors.Is(err, io.EOF) {
			return nil, false, err
		}
		text, at = append(head, text...), from
	}
	if at == 0 {
		return text, true, nil
	}
	_, text, _ = bytes.Cut(text, []byte{'\n'}) // the first line may have lost its head
	return text, false, nil
}
