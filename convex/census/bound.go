package census

import (
	"math"
	"sort"
)

// mostOffenders is the number of offenders that a table has at most, with 95 %
// confidence, when among read documents of all, chosen at random, there were
// found offenders: the most of which so few are found in at least one case of
// twenty, the exact one-sided bound of the hypergeometric distribution
// (Clopper and Pearson's, without replacement). Taken over many samples, no
// more than one in twenty has more offenders than its bound.
//
// It rests on three things. Ids begin with 14 random bytes (convex-wire.md
// 8.6), chosen whatever the document holds: so a run of neighbours in the order
// of ids, from a point and round to it, is a simple random sample of the table.
// All is how many documents there were when the census began. And nothing is
// written while the sample is read: one that grows or shrinks meanwhile by a
// share that matters is not bounded. Documents whose ids somebody else chose,
// which no import or function of Convex allows, would void it.
func mostOffenders(all, read, found int64) int64 {
	const risk = 0.05
	if read >= all {
		return found
	}
	// The more offenders there are, the less likely it is to find so few.
	low, high := found, all-(read-found)
	beyond := sort.Search(int(high-low), func(i int) bool {
		return atMost(all, low+int64(i)+1, read, found) < risk
	})
	return low + int64(beyond)
}

// atMost is the probability that among read documents of all, bad of which are
// offenders, there are at most found offenders.
func atMost(all, bad, read, found int64) float64 {
	sum := 0.0
	for k := max(0, read-(all-bad)); k <= min(found, bad); k++ {
		sum += math.Exp(choose(bad, k) + choose(all-bad, read-k) - choose(all, read))
	}
	return sum
}

// choose is the logarithm of a binomial coefficient.
func choose(n, k int64) float64 {
	a, _ := math.Lgamma(float64(n) + 1)
	b, _ := math.Lgamma(float64(k) + 1)
	c, _ := math.Lgamma(float64(n-k) + 1)
	return a - b - c
}
