package wire

import "time"

// Hurry makes a client wait less: unit stands for a second of the backoff
// table, inactivity for the minute after which a silent connection is given up.
func (c *Client) Hurry(unit, inactivity, function time.Duration) {
	p := &c.patience
	p.unit, p.retry, p.logPace = unit, unit, unit
	p.inactivity, p.dial = inactivity, inactivity
	p.function, p.poll, p.probe = function, function, function
}
