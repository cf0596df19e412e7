package wire

import (
	"math/rand/v2"
	"strings"
	"time"
)

// patience holds how long the client waits for what.
type patience struct {
	probe      time.Duration // /version, /instance_name, /api/check_admin_key
	function   time.Duration // a function over HTTP
	poll       time.Duration // one poll of the log; the deployment answers after 60 s (5.1)
	logPace    time.Duration // between two polls that brought something
	retry      time.Duration // before a query's second attempt over HTTP
	dial       time.Duration // WebSocket handshake
	write      time.Duration // one message
	inactivity time.Duration // no message, not even a Ping (4.5 rule 5)
	close      time.Duration // polite goodbye
	unit       time.Duration // one second of the backoff table
}

var usualPatience = patience{
	probe:      15 * time.Second,
	function:   310 * time.Second, // the deployment gives up after 300 s (2.4)
	poll:       80 * time.Second,
	logPace:    200 * time.Millisecond,
	retry:      200 * time.Millisecond,
	dial:       20 * time.Second,
	write:      30 * time.Second,
	inactivity: 60 * time.Second,
	close:      time.Second,
	unit:       time.Second,
}

// backoffs are the first delays, in units, by the beginning of a close reason
// (4.5 rule 6).
var backoffs = map[string]time.Duration{
	"InternalServerError":          1,
	"SubscriptionsWorkerFullError": 3,
	"TooManyConcurrentRequests":    3,
	"CommitterFullError":           3,
	"AwsTooManyRequestsException":  3,
	"ExecuteFullError":             3,
	"SystemTimeoutError":           3,
	"ExpiredInQueue":               3,
	"VectorIndexesUnavailable":     1,
	"SearchIndexesUnavailable":     1,
	"TableSummariesUnavailable":    1,
	"VectorIndexTooLarge":          3,
	"SearchIndexTooLarge":          3,
	"TooManyWritesInTimePeriod":    3,
}

const maxBackoff = 16 // units

// backoff is the delay before the next attempt, after so many attempts in a
// row that failed; byClient: we closed.
func (p patience) backoff(reason string, byClient bool, failures int) time.Duration {
	d := p.unit
	if byClient {
		d = p.unit / 10
	}
	for prefix, units := range backoffs {
		if strings.HasPrefix(reason, prefix) {
			d = units * p.unit
		}
	}
	d = min(d<<min(failures, 10), maxBackoff*p.unit)
	return d/2 + time.Duration(rand.Float64()*float64(d))
}
