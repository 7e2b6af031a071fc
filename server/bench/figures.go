package main

import (
	"fmt"
	"io"
	"math"
	"math/bits"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// median returns the middle one of values, or the mean of the two in the
// middle; NaN where there is none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// A goal is a bound of a figure, and says which side of it is wanted. A bound of
// 0 is none.
type goal struct {
	bound  float64
	atMost bool
}

func atLeast(bound float64) goal { return goal{bound: bound} }
func atMost(bound float64) goal  { return goal{bound, true} }

// verdict says whether ratio reaches g, or by how much it doesn't.
func (g goal) verdict(ratio float64) string {
	if g.bound == 0 {
		return ""
	}
	missed := ratio / g.bound
	if g.atMost {
		missed = g.bound / ratio
	}
	switch {
	case math.IsNaN(missed):
		return "not measured"
	case missed >= 1:
		return "reached"
	default:
		return fmt.Sprintf("missed by %.0f %%", (1/missed-1)*100)
	}
}

func (g goal) String() string {
	switch {
	case g.bound == 0:
		return ""
	case g.atMost:
		return fmt.Sprintf("≤ %.4g", g.bound)
	default:
		return fmt.Sprintf("≥ %.4g", g.bound)
	}
}

// best returns the least of values that is a number, or NaN.
func best(values ...float64) float64 {
	least := math.NaN()
	for _, v := range values {
		if math.IsNaN(least) || v < least {
			least = v
		}
	}
	return least
}

// A histogram counts durations in buckets whose width is 1/16 of their value or
// less. Any number of goroutines may add to it.
type histogram struct {
	buckets [16 * 64]atomic.Int64
}

func (h *histogram) add(d time.Duration) { h.buckets[bucket(max(d, 0))].Add(1) }

func bucket(d time.Duration) int {
	shift := max(bits.Len64(uint64(d))-5, 0)
	return shift*16 + int(d>>shift)
}

// quantile returns a duration that at least the part q of all is not above, and
// 0 where there is none.
func (h *histogram) quantile(q float64) time.Duration {
	var all int64
	for i := range h.buckets {
		all += h.buckets[i].Load()
	}
	rest := max(int64(math.Ceil(q*float64(all))), 1)
	for i := range h.buckets {
		if rest -= h.buckets[i].Load(); rest <= 0 && all > 0 {
			shift := max(i/16-1, 0)
			return time.Duration(i-shift*16+1)<<shift - 1
		}
	}
	return 0
}

// number writes v with three digits, or a dash where it isn't one.
func number(v float64) string {
	switch {
	case math.IsNaN(v):
		return "-"
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

// printTable writes rows, the first of which is the head, as a Markdown table
// whose columns stand under each other.
func printTable(w io.Writer, rows [][]string) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for i, row := range rows {
		for j, cell := range row {
			fmt.Fprintf(w, "| %s%s ", cell, strings.Repeat(" ", widths[j]-utf8.RuneCountInString(cell)))
		}
		fmt.Fprintln(w, "|")
		if i > 0 {
			continue
		}
		for _, width := range widths {
			fmt.Fprintf(w, "|%s", strings.Repeat("-", width+2))
		}
		fmt.Fprintln(w, "|")
	}
	fmt.Fprintln(w)
}
