package server

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

const (
	day  = 24 * time.Hour
	week = 7 * day
)

var (
	errDuration = errors.New(`must be a duration such as "30s", "15m" or "7d"`)
	errSize     = errors.New(`must be a size such as "64KiB", "1MiB" or "5GiB", or a number of bytes`)
)

// A Duration is a time.Duration, never negative, that is written as in Go or,
// before that, with whole days and weeks: "30s", "1h30m", "7d", "2w".
type Duration time.Duration

// String writes d with days as its largest unit, in a form that UnmarshalText
// takes back.
func (d Duration) String() string {
	days, rest := time.Duration(d)/day, time.Duration(d)%day
	s := rest.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	switch {
	case days == 0:
		return s
	case rest == 0:
		return strconv.FormatInt(int64(days), 10) + "d"
	}
	return strconv.FormatInt(int64(days), 10) + "d" + s
}

// MarshalText writes d as String does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads a duration, at most some 292 years. A number without a
// unit is an error, unless it is 0.
func (d *Duration) UnmarshalText(text []byte) error {
	var sum time.Duration
	rest := string(text)
	for _, unit := range []struct {
		name string
		size time.Duration
	}{{"w", week}, {"d", day}} {
		number, after, ok := strings.Cut(rest, unit.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(number, 10, 63)
		if err != nil || n > uint64((math.MaxInt64-sum)/unit.size) {
			return errDuration
		}
		sum, rest = sum+time.Duration(n)*unit.size, after
	}
	if rest != "" || len(text) == 0 {
		part, err := time.ParseDuration(rest)
		if err != nil || part < 0 || part > math.MaxInt64-sum {
			return errDuration
		}
		sum += part
	}
	*d = Duration(sum)
	return nil
}

// A Size is a number of bytes, never negative, that is written with a unit of
// 1024: "64KiB", "1MiB", "5GiB", "2TiB". A plain number is bytes.
type Size int64

// The units of a Size, from the largest.
var sizeUnits = []struct {
	name string
	size Size
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// String writes s in the largest unit of which it is a whole number.
func (s Size) String() string {
	for _, unit := range sizeUnits {
		if s != 0 && s%unit.size == 0 {
			return strconv.FormatInt(int64(s/unit.size), 10) + unit.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// MarshalText writes s as String does.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a whole number and, optionally, its unit.
func (s *Size) UnmarshalText(text []byte) error {
	number, factor := string(text), Size(1)
	for _, unit := range sizeUnits {
		if before, ok := strings.CutSuffix(number, unit.name); ok {
			number, factor = before, unit.size
			break
		}
	}
	n, err := strconv.ParseUint(number, 10, 63)
	if err != nil || n > uint64(math.MaxInt64/factor) {
		return errSize
	}
	*s = Size(n) * factor
	return nil
}
