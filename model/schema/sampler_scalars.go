package schema

import (
	"math"
	"strconv"
	"time"
)

// This file decides what stands in a number or a boolean by its field's name.

// sampleEnd is the newest moment in made-up documents, in ms since the epoch:
// a constant, so that documents depend on the seed alone. Times reach back
// sampleSpan.
const (
	sampleEnd  = 1_767_225_600_000 // 2026-01-01
	sampleSpan = 730 * 24 * 3600 * 1000
)

func (d *sample) moment() float64 { return sampleEnd - float64(d.r.Int64N(sampleSpan)) }

func (d *sample) date() time.Time { return time.UnixMilli(int64(d.moment())).UTC() }

// between is a whole number from low to high, both included.
func (d *sample) between(low, high int) float64 { return float64(low + d.r.IntN(high-low+1)) }

func cents(f float64) float64 { return math.Round(f*100) / 100 }

// low makes a number up to most, small ones more often.
func (d *sample) low(most float64) float64 { return math.Floor(most * math.Pow(d.r.Float64(), 3)) }

type numberMaker func(d *sample) float64

func ranged(low, high int) numberMaker {
	return func(d *sample) float64 { return d.between(low, high) }
}

func upTo(most float64) numberMaker { return func(d *sample) float64 { return d.low(most) } }

func (d *sample) price() float64 { return cents(1 + d.r.ExpFloat64()*40) }

func (d *sample) fraction() float64 { return cents(d.r.Float64()) }

func (d *sample) latitude() float64 { return math.Round((d.r.Float64()*130-60)*1e5) / 1e5 }

func (d *sample) longitude() float64 { return math.Round((d.r.Float64()*360-180)*1e5) / 1e5 }

func (d *sample) sequence() float64 { return float64(d.n) }

// numberTopics maps a word of a field's name to what its numbers are.
var numberTopics = byWord([]topic[numberMaker]{
	{(*sample).moment, "at on time date timestamp created updated expires deadline since until seen start end birthday"},
	{(*sample).price, "price cost amount total subtotal balance fee tax revenue budget"},
	{ranged(100, 50_000), "cents"},
	{ranged(28_000, 190_000), "salary"},
	{ranged(18, 85), "age"},
	{ranged(1990, 2026), "year"},
	{ranged(1, 12), "month quantity qty"},
	{ranged(1, 28), "day"},
	{ranged(0, 23), "hour"},
	{ranged(0, 6), "weekday"},
	{upTo(500), "count"},
	{upTo(20_000), "views"},
	{upTo(800), "likes"},
	{upTo(300), "stock"},
	{upTo(4_000_000), "size bytes"},
	{upTo(8_000), "tokens"},
	{upTo(5_000), "points xp ms"},
	{ranged(0, 100), "score percent percentage progress"},
	{ranged(1, 5), "rating stars priority"},
	{ranged(1, 30), "level"},
	{ranged(1, 9), "version"},
	{ranged(0, 3), "attempts retries"},
	{ranged(0, 40), "discount"},
	{(*sample).fraction, "ratio rate probability confidence weight opacity temperature"},
	{(*sample).latitude, "lat latitude"},
	{(*sample).longitude, "lng longitude"},
	{(*sample).sequence, "order position index rank number sequence"},
	{upTo(7_200), "duration seconds"},
	{ranged(5, 180), "minutes"},
	{ranged(320, 3840), "width"},
	{ranged(240, 2160), "height"},
	{ranged(10_000, 99_999), "zip"},
	{ranged(3_000, 9_000), "port"},
})

// numberTopic finds what numbers a name asks for; the last word tells most.
func numberTopic(words []string) numberMaker {
	for i := len(words) - 1; i >= 0; i-- {
		if maker := numberTopics[words[i]]; maker != nil {
			return maker
		}
		if maker := numberTopics[singular(words[i])]; maker != nil {
			return maker
		}
	}
	return nil
}

func (d *sample) number(name string) float64 {
	if maker := numberTopic(d.split(name)); maker != nil {
		return maker(d)
	}
	return d.low(1000)
}

func (d *sample) boolean(name string) bool {
	words := d.split(name)
	switch {
	case hasAny(words, "deleted", "archived", "banned", "blocked", "hidden", "admin", "locked", "disabled", "muted", "spam", "failed", "suspended"):
		return d.chance(8)
	case hasAny(words, "active", "enabled", "verified", "confirmed", "visible", "accepted", "valid", "public", "notifications"):
		return d.chance(85)
	}
	return d.chance(50)
}

func (d *sample) digits(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = '0' + byte(d.r.IntN(10))
	}
	return string(b)
}

const tokenLetters = "abcdefghijkmnpqrstuvwxyz23456789"

func (d *sample) token(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = tokenLetters[d.r.IntN(len(tokenLetters))]
	}
	return string(b)
}

func (d *sample) version() string {
	return strconv.Itoa(1+d.r.IntN(3)) + "." + strconv.Itoa(d.r.IntN(12)) + "." + strconv.Itoa(d.r.IntN(6))
}
