package census

import (
	"math"
	"sort"
)

// mostOffenders is the number of offenders that a table has at most, with 95 %
// confidence, when among read documents of all, chosen at random, there were
// found offenders: the most of which so few are found in at least one case of
// twenty (the exact one-sided bound of the hypergeometric distribution).
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
