package wire

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"strait/model/value"
)

// timestamp is a u64 of nanoseconds, on the wire base64 of 8 bytes LE (4.3).
type timestamp uint64

func (t timestamp) MarshalJSON() ([]byte, error) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(t))
	return json.Marshal(base64.StdEncoding.EncodeToString(b[:]))
}

func (t *timestamp) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(b) != 8 {
		return fmt.Errorf("timestamp %q: want base64 of 8 bytes", s)
	}
	*t = timestamp(binary.LittleEndian.Uint64(b))
	return nil
}

// stateVersion is the version of the query set at one moment.
type stateVersion struct {
	QuerySet uint32    `json:"querySet"`
	Identity uint32    `json:"identity"`
	TS       timestamp `json:"ts"`
}

// Client messages (4.2).
type connectMessage struct {
	Type                 string     `json:"type"`
	SessionID            string     `json:"sessionId"`
	ConnectionCount      int        `json:"connectionCount"`
	LastCloseReason      string     `json:"lastCloseReason"`
	MaxObservedTimestamp *timestamp `json:"maxObservedTimestamp,omitempty"`
	ClientTS             int64      `json:"clientTs"`
}

type authenticateMessage struct {
	Type        string `json:"type"`
	TokenType   string `json:"tokenType"`
	Value       string `json:"value"`
	BaseVersion uint32 `json:"baseVersion"`
}

type modifyMessage struct {
	Type          string         `json:"type"`
	BaseVersion   uint32         `json:"baseVersion"`
	NewVersion    uint32         `json:"newVersion"`
	Modifications []modification `json:"modifications"`
}

type modification struct {
	Type          string            `json:"type"`
	QueryID       uint32            `json:"queryId"`
	UDFPath       string            `json:"udfPath,omitempty"`
	Args          []json.RawMessage `json:"args,omitempty"`
	Journal       *string           `json:"journal,omitempty"`
	ComponentPath string            `json:"componentPath,omitempty"`
}

// requestMessage is a Mutation or an Action.
type requestMessage struct {
	Type          string            `json:"type"`
	RequestID     uint32            `json:"requestId"`
	UDFPath       string            `json:"udfPath"`
	Args          []json.RawMessage `json:"args"`
	ComponentPath string            `json:"componentPath,omitempty"`
}

// serverMessage is any message of 4.3.
type serverMessage struct {
	Type string `json:"type"`

	StartVersion  stateVersion  `json:"startVersion"`
	EndVersion    stateVersion  `json:"endVersion"`
	Modifications []queryChange `json:"modifications"`

	Chunk        string `json:"chunk"`
	PartNumber   int    `json:"partNumber"`
	TotalParts   int    `json:"totalParts"`
	TransitionID string `json:"transitionId"`

	RequestID uint32          `json:"requestId"`
	Success   bool            `json:"success"`
	Result    json.RawMessage `json:"result"`
	TS        *timestamp      `json:"ts"`
	LogLines  logLines        `json:"logLines"`
	ErrorData json.RawMessage `json:"errorData"`

	Error               string  `json:"error"`
	BaseVersion         *uint32 `json:"baseVersion"`
	AuthUpdateAttempted *bool   `json:"authUpdateAttempted"`
}

// queryChange is one modification of a Transition.
type queryChange struct {
	Type         string          `json:"type"`
	QueryID      uint32          `json:"queryId"`
	Value        json.RawMessage `json:"value"`
	ErrorMessage string          `json:"errorMessage"`
	ErrorData    json.RawMessage `json:"errorData"`
	LogLines     logLines        `json:"logLines"`
	Journal      *string         `json:"journal"`
}

// protocolError is something the deployment sent and must not have.
type protocolError struct{ err error }

func (e *protocolError) Error() string { return e.err.Error() }

// known are the types of message that are acted on.
var known = map[string]bool{
	"Transition": true, "TransitionChunk": true, "MutationResponse": true, "ActionResponse": true, "AuthError": true, "FatalError": true,
}

// parseMessage reads a message. One of an unknown type, of a newer backend, has
// nothing but its type.
func parseMessage(text []byte) (*serverMessage, error) {
	m := &serverMessage{}
	err := json.Unmarshal(text, m)
	if err == nil {
		return m, nil
	}
	var only struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(text, &only) == nil && only.Type != "" && !known[only.Type] {
		return &serverMessage{Type: only.Type}, nil
	}
	return nil, &protocolError{fmt.Errorf("message cannot be read: %w", err)}
}

const (
	maxChunks     = 4096
	maxTransition = 512 << 20
)

// assembler puts a Transition that came in pieces together.
type assembler struct {
	id    string
	total int
	parts int
	text  strings.Builder
}

// add takes one message and returns the message to handle, or nil while
// pieces are missing.
func (a *assembler) add(m *serverMessage) (*serverMessage, error) {
	if m.Type != "TransitionChunk" {
		if a.parts > 0 && m.Type == "Transition" {
			return nil, errors.New("a transition came between the pieces of another")
		}
		return m, nil
	}
	switch {
	case m.TotalParts < 1 || m.TotalParts > maxChunks || m.PartNumber < 0 || m.PartNumber >= m.TotalParts:
		return nil, fmt.Errorf("transition piece %d of %d", m.PartNumber, m.TotalParts)
	case a.parts > 0 && (a.id != m.TransitionID || a.total != m.TotalParts):
		return nil, errors.New("pieces of two transitions are mixed")
	case m.PartNumber != a.parts:
		return nil, fmt.Errorf("transition piece %d came in place of %d", m.PartNumber, a.parts)
	case a.text.Len()+len(m.Chunk) > maxTransition:
		return nil, fmt.Errorf("transition is larger than %d MiB", maxTransition>>20)
	}
	a.id, a.total = m.TransitionID, m.TotalParts
	a.parts++
	a.text.WriteString(m.Chunk)
	if a.parts < a.total {
		return nil, nil
	}
	whole := &serverMessage{}
	err := json.Unmarshal([]byte(a.text.String()), whole)
	*a = assembler{}
	if err != nil {
		return nil, fmt.Errorf("transition in pieces: %w", err)
	}
	if whole.Type != "Transition" {
		return nil, fmt.Errorf("pieces of a transition make a %q", whole.Type)
	}
	return whole, nil
}

// wireArgs is the argument list of a call: one object.
func wireArgs(args value.Object) []json.RawMessage {
	return []json.RawMessage{appendArgs(nil, args)}
}
