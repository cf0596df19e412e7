package local

import (
	crand "crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// A file to import comes in parts (11.3), which are kept in one scratch file
// in the order in which they come; finishUpload puts them into theirs.

const (
	maxUploads = 16      // open at once; the one used longest ago goes first
	maxParts   = 10000   // part numbers are smaller
	maxUpload  = 8 << 30 // of one file: its documents are to be held in memory
)

type uploads struct {
	mu      sync.Mutex
	byToken map[string]*upload
}

type upload struct {
	used time.Time // uploads.mu guards it

	mu    sync.Mutex
	file  *scratch // nil: finished, or dropped for another one
	size  int64
	parts map[string]uploadPart
}

type uploadPart struct{ offset, size int64 }

// add begins an upload and answers its token.
func (u *uploads) add(now time.Time) (string, error) {
	file, err := newScratch()
	if err != nil {
		return "", err
	}
	token := crand.Text()
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.byToken == nil {
		u.byToken = map[string]*upload{}
	}
	if len(u.byToken) >= maxUploads {
		oldest := ""
		for t, one := range u.byToken {
			if oldest == "" || one.used.Before(u.byToken[oldest].used) {
				oldest = t
			}
		}
		u.byToken[oldest].close()
		delete(u.byToken, oldest)
	}
	u.byToken[token] = &upload{used: now, file: file, parts: map[string]uploadPart{}}
	return token, nil
}

func (u *uploads) get(token string, now time.Time, last bool) (*upload, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	one := u.byToken[token]
	if one == nil {
		return nil, badRequest("InvalidUploadToken", "There is no such upload: it was finished, or too many others have begun since")
	}
	one.used = now
	if last {
		delete(u.byToken, token)
	}
	return one, nil
}

func (u *uploads) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, one := range u.byToken {
		one.close()
	}
	u.byToken = nil
}

func (u *upload) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.file.close()
	u.file = nil
}

// part stores one part and answers its token.
func (u *upload) part(body []byte) (string, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	n := int64(len(body))
	switch {
	case u.file == nil:
		return "", badRequest("InvalidUploadToken", "The upload has ended")
	case len(u.parts) >= maxParts-1 || u.size+n > maxUpload:
		return "", badRequest("ImportTooLarge", "A file to import has at most %d parts and %d GiB here: import it table by table", maxParts-1, maxUpload>>30)
	}
	if _, err := u.file.WriteAt(body, u.size); err != nil {
		return "", fmt.Errorf("keep a part of the upload: %w", err)
	}
	token := crand.Text()
	u.parts[token] = uploadPart{u.size, n}
	u.size += n
	return token, nil
}

// finish is the file with its parts in the order of their tokens. The caller
// closes it.
func (u *upload) finish(tokens []string) (*scratch, int64, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.file == nil {
		return nil, 0, badRequest("InvalidUploadToken", "The upload has ended")
	}
	file := u.file
	u.file = nil
	parts := make([]uploadPart, len(tokens))
	var size int64
	inOrder := true
	for i, token := range tokens {
		p, ok := u.parts[token]
		if !ok {
			file.close()
			return nil, 0, badRequest("InvalidPartToken", "Part %d is not of this upload, or comes twice", i+1)
		}
		delete(u.parts, token)
		parts[i] = p
		inOrder = inOrder && p.offset == size
		size += p.size
	}
	if inOrder {
		return file, size, nil
	}
	defer file.close()
	sorted, err := newScratch()
	if err != nil {
		return nil, 0, err
	}
	for _, p := range parts {
		if _, err := io.Copy(sorted, io.NewSectionReader(file, p.offset, p.size)); err != nil {
			sorted.close()
			return nil, 0, err
		}
	}
	return sorted, size, nil
}

func (d *Deployment) startUpload(w http.ResponseWriter, _ *http.Request) error {
	token, err := d.serving().imports.uploads.add(d.now())
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, struct {
		UploadToken string `json:"uploadToken"`
	}{token})
	return nil
}

func (d *Deployment) uploadPart(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	if n, err := strconv.Atoi(q.Get("partNumber")); err != nil || n < 1 || n >= maxParts {
		return badRequest("InvalidPartNumber", "partNumber is none of 1 to %d", maxParts-1)
	}
	u, err := d.serving().imports.uploads.get(q.Get("uploadToken"), d.now(), false)
	if err != nil {
		return err
	}
	part, err := io.ReadAll(r.Body) // before any lock: a client may be slow
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return &httpError{http.StatusRequestEntityTooLarge, "RequestTooLarge", "A part has at most 16 MiB: set CONVEX_IMPORT_CHUNK_SIZE"}
	}
	if err != nil {
		return badRequest("InvalidBody", "The part cannot be read: %v", err)
	}
	token, err := u.part(part)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, token)
	return nil
}
