package local

import (
	"encoding/binary"
	"math"

	"strait/model/value"
)

// Index keys are byte strings under bytewise order. by_id has the 16 bytes of
// the internal id; by_creation_time and every other index end with 8 bytes of
// creation time and the id, so that ties never happen (convex-wire.md 8.4).

// interval is the keys lo <= k < hi; hi "" has no upper end.
type interval struct{ lo, hi string }

var everything = interval{}

// nothing is an interval that no key is in.
var nothing = interval{"\x00", "\x00"}

func (iv interval) empty() bool { return iv.hi != "" && iv.lo >= iv.hi }

func (iv interval) contains(key string) bool {
	return key >= iv.lo && (iv.hi == "" || key < iv.hi)
}

// prefixed is the interval of the keys that begin with prefix.
func prefixed(prefix string) interval { return interval{prefix, afterPrefix(prefix)} }

// afterPrefix is the least key beyond all that begin with prefix; "" if there
// is none.
func afterPrefix(prefix string) string {
	b := []byte(prefix)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] != 0xff {
			b[i]++
			return string(b[:i+1])
		}
	}
	return ""
}

// intersect is what both intervals have in common.
func (iv interval) intersect(other interval) interval {
	lo := max(iv.lo, other.lo)
	hi := iv.hi
	if hi == "" || other.hi != "" && other.hi < hi {
		hi = other.hi
	}
	if hi != "" && lo >= hi {
		return nothing
	}
	return interval{lo, hi}
}

// sortable maps a float64 to an integer of the same order (IEEE total order).
func sortable(f float64) uint64 {
	bits := math.Float64bits(f)
	if bits>>63 == 1 {
		return ^bits
	}
	return bits | 1<<63
}

// unsortable is the inverse of sortable.
func unsortable(u uint64) float64 {
	if u>>63 == 1 {
		return math.Float64frombits(u &^ (1 << 63))
	}
	return math.Float64frombits(^u)
}

func appendTime(dst []byte, created uint64) []byte {
	return binary.BigEndian.AppendUint64(dst, created)
}

// timeKey is the document's key in by_creation_time.
func (d *document) timeKey() string {
	var b [24]byte
	binary.BigEndian.PutUint64(b[:], d.created)
	copy(b[8:], d.id[:])
	return string(b[:])
}

// idKey is the document's key in by_id.
func (d *document) idKey() string { return string(d.id[:]) }

// appendFieldKeys appends the key of the document's values at the paths.
func appendFieldKeys(dst []byte, doc value.Object, paths []string) []byte {
	for _, p := range paths {
		dst = value.AppendKey(dst, value.Lookup(doc, p))
	}
	return dst
}

// secondaryKey is the document's key in a declared index.
func secondaryKey(fields []string, d *document, doc value.Object) string {
	b := make([]byte, 0, 64)
	b = appendFieldKeys(b, doc, fields)
	b = appendTime(b, d.created)
	return string(append(b, d.id[:]...))
}

// timePivot is the document whose place in by_creation_time is that of key,
// which may be cut short.
func timePivot(key string) *document {
	var b [24]byte
	copy(b[:], key)
	p := &document{created: binary.BigEndian.Uint64(b[:])}
	copy(p.id[:], b[8:])
	return p
}

func idPivot(key string) *document {
	p := &document{}
	copy(p.id[:], key)
	return p
}

// idPosition finds the place of a text among the ids of a table: the least
// internal id whose text is not less than it, and whether that one is the
// text itself. ok is false when every id of the table is less.
func idPosition(table uint32, text string) (pos [16]byte, exact, ok bool) {
	atLeast := func(hi, lo uint64) bool {
		return idText(table, hi, lo) >= text
	}
	if !atLeast(math.MaxUint64, math.MaxUint64) {
		return pos, false, false
	}
	var hi, lo uint64 // build the largest value that is too small, bit by bit
	if atLeast(0, 0) {
		return pos, idText(table, 0, 0) == text, true
	}
	for bit := 127; bit >= 0; bit-- {
		h, l := hi, lo
		if bit >= 64 {
			h |= 1 << (bit - 64)
		} else {
			l |= 1 << bit
		}
		if !atLeast(h, l) {
			hi, lo = h, l
		}
	}
	if lo++; lo == 0 {
		hi++
	}
	binary.BigEndian.PutUint64(pos[:], hi)
	binary.BigEndian.PutUint64(pos[8:], lo)
	return pos, idText(table, hi, lo) == text, true
}

func idText(table uint32, hi, lo uint64) string {
	id := value.ID{Table: table}
	binary.BigEndian.PutUint64(id.Internal[:], hi)
	binary.BigEndian.PutUint64(id.Internal[8:], lo)
	return id.String()
}
