package local

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
)

// softPage is the length above which Convex recommends to split a page.
const softPage = 8192 * 3 / 4

// cursorKey encrypts and authenticates cursors: equal positions give equal
// text, and no other deployment reads it (convex-wire.md 9.5).
type cursorKey struct {
	instance string
	mac      []byte
	block    cipher.Block
}

func newCursorKey(instance string, secret []byte) cursorKey {
	derive := func(what string) []byte {
		h := hmac.New(sha256.New, secret)
		h.Write([]byte(what))
		return h.Sum(nil)
	}
	block, err := aes.NewCipher(derive("cursor cipher"))
	if err != nil {
		panic(err) // the key has a fixed length
	}
	return cursorKey{instance, derive("cursor mac"), block}
}

// position is where a page ends: after a key, or at the end of the range.
type position struct {
	after string
	end   bool
}

const fingerprintSize = 16

// seal makes a cursor: hex of a synthetic vector and the encrypted rest.
func (k cursorKey) seal(fingerprint [fingerprintSize]byte, p position) string {
	plain := make([]byte, 0, 1+fingerprintSize+len(p.after))
	kind := byte(1)
	if p.end {
		kind = 0
	}
	plain = append(plain, kind)
	plain = append(plain, fingerprint[:]...)
	plain = append(plain, p.after...)
	iv := k.vector(plain)
	out := append(iv, plain...)
	cipher.NewCTR(k.block, iv).XORKeyStream(out[len(iv):], plain)
	return hex.EncodeToString(out)
}

func (k cursorKey) vector(plain []byte) []byte {
	h := hmac.New(sha256.New, k.mac)
	h.Write([]byte(k.instance))
	h.Write([]byte{0})
	h.Write(plain)
	return h.Sum(nil)[:aes.BlockSize]
}

// open reads a cursor of the query with the fingerprint.
func (k cursorKey) open(text string, fingerprint [fingerprintSize]byte) (position, error) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) < aes.BlockSize+1+fingerprintSize {
		return position{}, userErrorf("InvalidCursor", "Failed to parse cursor")
	}
	iv, plain := raw[:aes.BlockSize], raw[aes.BlockSize:]
	cipher.NewCTR(k.block, iv).XORKeyStream(plain, plain)
	if !hmac.Equal(iv, k.vector(plain)) {
		return position{}, userErrorf("InvalidCursor", "Failed to parse cursor")
	}
	if [fingerprintSize]byte(plain[1:]) != fingerprint {
		e := userErrorf("InvalidCursor", "InvalidCursor: Tried to run a query starting from a cursor, but it looks like this cursor is from a different query.")
		e.data = []byte(`{"isConvexSystemError":true,"paginationError":"InvalidCursor"}`)
		return position{}, e
	}
	return position{after: string(plain[1+fingerprintSize:]), end: plain[0] == 0}, nil
}

// fingerprint is a hash of what a query asks: source, range, order, filters,
// and the fields of its index; not the size of the page.
func fingerprint(query []byte, p *plan) (sum [fingerprintSize]byte) {
	h := sha256.New()
	var tree any
	if json.Unmarshal(query, &tree) == nil {
		if canonical, err := json.Marshal(tree); err == nil { // keys sorted
			query = canonical
		}
	}
	h.Write(query)
	for _, f := range p.fields {
		h.Write([]byte{0})
		h.Write([]byte(f))
	}
	copy(sum[:], h.Sum(nil))
	return sum
}

// pageArgs are the arguments of 1.0/queryPage.
type pageArgs struct {
	query             []byte
	cursor, endCursor string
	hasCursor, hasEnd bool
	size              int
	maxRows, maxBytes int
	hasRows, hasBytes bool
}

func parsePage(args string) (pageArgs, error) {
	o, err := parseObject(args)
	if err != nil {
		return pageArgs{}, userErrorf("InvalidArgument", "Invalid arguments for `queryPage`: %v", err)
	}
	a := pageArgs{query: o.raw("query")}
	a.cursor, a.hasCursor = o.text("cursor")
	a.endCursor, a.hasEnd = o.text("endCursor")
	size, ok := o.number("pageSize")
	rows, hasRows := o.number("maximumRowsRead")
	bytes, hasBytes := o.number("maximumBytesRead")
	if !ok || size < 0 || size != float64(int(size)) {
		return a, userErrorf("InvalidArgument", "Invalid argument `pageSize` for `queryPage`: a whole number is expected")
	}
	a.size, a.maxRows, a.maxBytes, a.hasRows, a.hasBytes = int(size), int(rows), int(bytes), hasRows, hasBytes
	return a, nil
}

// page answers 1.0/queryPage: the page's JSON is put together from the stored
// texts of the documents, without decoding them.
func (tx *transaction) page(component, args, journal string) (answer, cursor string, err error) {
	a, err := parsePage(args)
	if err != nil {
		return "", "", err
	}
	switch {
	case a.size == 0:
		return "", "", userErrorf("NoDocumentsForPagination", "Must request at least 1 document while paginating")
	case a.size > tx.d.limits.DocumentsRead:
		return "", "", userErrorf("PageSizeTooLarge", "Requested too many items: %d", a.size)
	case a.hasRows && a.maxRows <= 0 || a.hasBytes && a.maxBytes <= 0:
		return "", "", userErrorf("InvalidPaginationLimit", "maximumRowsRead and maximumBytesRead must be greater than 0")
	}
	p, err := tx.parsePlan(component, a.query, "queryPage")
	if err != nil {
		return "", "", err
	}
	w := pager{tx: tx, args: a, print: fingerprint(a.query, p)}
	if !a.hasEnd && journal != "" {
		w.args.endCursor, w.args.hasEnd = journal, true
	}
	if err := w.open(p); err != nil {
		return "", "", err
	}
	if err := w.fill(); err != nil {
		return "", "", err
	}
	return w.answer()
}

// pager fills one page.
type pager struct {
	tx     *transaction
	args   pageArgs
	print  [fingerprintSize]byte
	stream *stream
	plan   *plan
	until  position // of the end cursor
	skip   string   // key of the start cursor in a search
	out    []byte
	count  int
	keys   []string // of all documents walked, for the split cursor
	status string
	end    bool
}

// open narrows the range to what lies between the cursors.
func (w *pager) open(p *plan) error {
	w.plan = p
	iv := p.iv
	if w.args.hasCursor {
		pos, err := w.tx.d.cursors.open(w.args.cursor, w.print)
		if err != nil {
			return err
		}
		if p.search == nil {
			iv = beyond(iv, pos, p.desc)
		} else if w.skip = pos.after; pos.end {
			p.missing = true
		}
	}
	if w.args.hasEnd {
		pos, err := w.tx.d.cursors.open(w.args.endCursor, w.print)
		if err != nil {
			return err
		}
		w.until = pos
		if !pos.end {
			iv = upTo(iv, pos, p.desc)
		}
	}
	p.iv = iv
	w.stream = w.tx.stream(p)
	w.stream.skipPast = w.skip
	w.stream.stop = w.enough
	w.stream.seen = func(key string) { w.keys = append(w.keys, key) }
	w.stream.step = min(max(w.args.size, 1), 1024)
	if t := w.tx.space(p.ref.component).table(p.ref.table); t != nil && t.byID.Len() > 0 {
		n := min(w.args.size, t.byID.Len())
		w.out = make([]byte, 0, 512+n*(2+int(t.bytes)/t.byID.Len()*9/8))
	}
	w.out = append(w.out, `{"page":[`...)
	return nil
}

func beyond(iv interval, p position, desc bool) interval {
	switch {
	case p.end:
		return nothing
	case desc:
		return iv.intersect(interval{hi: orLeast(p.after)})
	default:
		return iv.intersect(interval{lo: p.after + "\x00"})
	}
}

func upTo(iv interval, p position, desc bool) interval {
	if desc {
		return iv.intersect(interval{lo: p.after})
	}
	return iv.intersect(interval{hi: p.after + "\x00"})
}

// fill takes documents until the page is full, the range ends, or a limit
// asks for a short page.
func (w *pager) fill() error {
	s := w.stream
	for w.args.hasEnd || w.count < w.args.size {
		doc, err := s.next()
		if e, ok := err.(*userError); ok && e.limit && s.walked > 0 {
			// Convex ends the page early where a read limit is reached.
			w.status = "SplitRequired"
			break
		}
		if err != nil {
			return err
		}
		if doc == nil {
			w.end = s.done
			break
		}
		if w.count++; w.count > 1 {
			w.out = append(w.out, ',')
		}
		w.out = append(w.out, w.plan.text(doc)...)
	}
	rows, bytes := w.tx.d.limits.DocumentsRead, w.tx.d.limits.BytesRead
	if w.args.hasRows {
		rows = min(rows, w.args.maxRows)
	}
	if w.args.hasBytes {
		bytes = min(bytes, w.args.maxBytes)
	}
	if w.status == "" && (s.walked > rows*3/4 || s.bytes > bytes*3/4 || w.count > softPage) {
		w.status = "SplitRecommended"
	}
	return nil
}

// enough reports whether the page's own limits are reached.
func (w *pager) enough() bool {
	s, a := w.stream, &w.args
	if a.hasEnd || s.walked == 0 || !(a.hasRows && s.walked >= a.maxRows || a.hasBytes && s.bytes >= a.maxBytes) {
		return false
	}
	w.status = "SplitRequired"
	return true
}

// answer closes the page's JSON.
func (w *pager) answer() (text, cursor string, err error) {
	k := w.tx.d.cursors
	pos := position{after: w.stream.last.key}
	switch {
	case w.args.hasEnd:
		pos = w.until
	case w.end:
		pos = position{end: true}
	case w.stream.last.doc == nil && w.args.hasCursor:
		pos, err = k.open(w.args.cursor, w.print)
	}
	if err != nil {
		return "", "", err
	}
	cursor = k.seal(w.print, pos)
	w.out = append(w.out, `],"isDone":`...)
	w.out = strconv.AppendBool(w.out, pos.end)
	w.out = append(w.out, `,"continueCursor":"`...)
	w.out = append(w.out, cursor...)
	w.out = append(w.out, `","splitCursor":`...)
	if n := len(w.keys); n > 2 {
		w.out = append(w.out, '"')
		w.out = append(w.out, k.seal(w.print, position{after: w.keys[n/2]})...)
		w.out = append(w.out, '"')
	} else {
		w.out = append(w.out, "null"...)
	}
	w.out = append(w.out, `,"pageStatus":`...)
	if w.status == "" {
		w.out = append(w.out, "null}"...)
	} else {
		w.out = append(w.out, `"`+w.status+`"}`...)
	}
	return string(w.out), cursor, nil
}
