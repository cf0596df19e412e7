package value

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ID is a decoded document id (convex-wire.md 8.6). It is comparable.
type ID struct {
	Table    uint32
	Internal [16]byte
}

// The shortest and the longest id text: table numbers take one to five bytes.
const (
	minIDLength = 31
	maxIDLength = 37
)

const crockford = "0123456789abcdefghjkmnpqrstvwxyz"

var crockfordValue = func() (table [256]byte) {
	for i := range table {
		table[i] = 0xff
	}
	for i := range crockford {
		table[crockford[i]] = byte(i)
	}
	return table
}()

// NewID makes the id of a new document: 14 random bytes and the day of its
// making, counted from the epoch in UTC.
func NewID(table uint32, random [14]byte, day uint16) ID {
	id := ID{Table: table}
	copy(id.Internal[:], random[:])
	binary.BigEndian.PutUint16(id.Internal[14:], day)
	return id
}

// String is the id's text.
func (id ID) String() string {
	var raw [23]byte
	n := binary.PutUvarint(raw[:], uint64(id.Table))
	n += copy(raw[n:], id.Internal[:])
	binary.LittleEndian.PutUint16(raw[n:], fletcher16(raw[:n]))
	n += 2
	var text [maxIDLength]byte
	length := (n*8 + 4) / 5
	for i := range length {
		text[i] = crockford[bitsAt(raw[:n], i*5)]
	}
	return string(text[:length])
}

// bitsAt returns the five bits that begin at bit, zeros beyond the end.
func bitsAt(raw []byte, bit int) byte {
	word := uint16(raw[bit/8]) << 8
	if bit/8+1 < len(raw) {
		word |= uint16(raw[bit/8+1])
	}
	return byte(word>>(11-bit%8)) & 31
}

// fletcher16 is Convex's checksum: both sums modulo 256.
func fletcher16(raw []byte) uint16 {
	var c0, c1 byte
	for _, b := range raw {
		c0 += b
		c1 += c0
	}
	return uint16(c1)<<8 | uint16(c0)
}

// The errors of ParseID: made once, for most texts that a check looks at are
// no ids.
var (
	errIDLength    = fmt.Errorf("decode id: the length is not between %d and %d", minIDLength, maxIDLength)
	errIDLetter    = errors.New("decode id: a character is not base32")
	errIDTable     = errors.New("decode id: bad table number")
	errIDFit       = errors.New("decode id: length does not fit the table number")
	errIDChecksum  = errors.New("decode id: checksum does not match")
	errIDCanonical = errors.New("decode id: text is not canonical")
)

// ParseID decodes an id's text; only canonical text is accepted. The error
// does not repeat the text.
func ParseID(text string) (ID, error) {
	if len(text) < minIDLength || len(text) > maxIDLength {
		return ID{}, errIDLength
	}
	var raw [23]byte
	var word, bits uint
	n := 0
	for i := range len(text) {
		v := crockfordValue[text[i]]
		if v == 0xff {
			return ID{}, errIDLetter
		}
		word = word<<5 | uint(v)
		if bits += 5; bits >= 8 {
			bits -= 8
			raw[n] = byte(word >> bits)
			n++
		}
	}
	table, used := binary.Uvarint(raw[:n])
	switch {
	case used <= 0 || table == 0 || table > 1<<32-1:
		return ID{}, errIDTable
	case n != used+18:
		return ID{}, errIDFit
	case binary.LittleEndian.Uint16(raw[n-2:]) != fletcher16(raw[:n-2]):
		return ID{}, errIDChecksum
	}
	id := ID{Table: uint32(table)}
	copy(id.Internal[:], raw[used:])
	// Spare bits and overlong table numbers survive the checks above.
	if id.String() != text {
		return ID{}, errIDCanonical
	}
	return id, nil
}
