package main

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	tests := []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3},
		{[]float64{9, 1, 2}, 2},
		{[]float64{4, 1, 3, 2}, 2.5},
	}
	for _, tt := range tests {
		if got := median(tt.values); got != tt.want {
			t.Errorf("median(%v) = %v, not %v", tt.values, got, tt.want)
		}
	}
	if got := median(nil); !math.IsNaN(got) {
		t.Errorf("the median of nothing is %v", got)
	}
}

func TestBest(t *testing.T) {
	if got := best(math.NaN(), 3, 2, math.NaN()); got != 2 {
		t.Errorf("the best is %v, not 2", got)
	}
	if got := best(); !math.IsNaN(got) {
		t.Errorf("the best of none is %v", got)
	}
}

func TestGoal(t *testing.T) {
	tests := []struct {
		goal          goal
		ratio         float64
		text, verdict string
	}{
		{atLeast(5), 5, "≥ 5", "reached"},
		{atLeast(5), 4, "≥ 5", "missed by 25 %"},
		{atLeast(0.75), 0.8, "≥ 0.75", "reached"},
		{atMost(1.2), 1.2, "≤ 1.2", "reached"},
		{atMost(1.2), 1.8, "≤ 1.2", "missed by 50 %"},
		{atMost(9), math.NaN(), "≤ 9", "not measured"},
		{goal{}, 1, "", ""},
	}
	for _, tt := range tests {
		if got := tt.goal.String(); got != tt.text {
			t.Errorf("%v reads %q", tt.goal, got)
		}
		if got := tt.goal.verdict(tt.ratio); got != tt.verdict {
			t.Errorf("%v at %v: %q, not %q", tt.goal, tt.ratio, got, tt.verdict)
		}
	}
}

func TestQuantile(t *testing.T) {
	var h histogram
	if got := h.quantile(0.99); got != 0 {
		t.Errorf("the 0.99 quantile of nothing is %v", got)
	}
	for i := 1; i <= 1000; i++ {
		h.add(time.Duration(i) * time.Microsecond)
	}
	h.add(time.Hour)
	for q, want := range map[float64]time.Duration{0: time.Microsecond, 0.5: 501 * time.Microsecond, 0.99: 991 * time.Microsecond, 1: time.Hour} {
		if got := h.quantile(q); got < want || got > want+want/16 {
			t.Errorf("the %v quantile is %v, not %v and at most a 16th more", q, got, want)
		}
	}
	h.add(-time.Second)
	h.add(math.MaxInt64)
}

func TestTable(t *testing.T) {
	var out strings.Builder
	printTable(&out, [][]string{{"µs", "goal"}, {"12.5", "≥ 5"}})
	want := "| µs   | goal |\n|------|------|\n| 12.5 | ≥ 5  |\n\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

func TestCompose(t *testing.T) {
	text := compose(1234567, 999, 4321)
	n, from, own, err := parse([]byte(text))
	if len(text) != textLength || n != 1234567 || from != 999 || own != 4321 || err != nil {
		t.Errorf("%q is read as %d, %d, %d, %v", text, n, from, own, err)
	}
	for _, bad := range []string{"", strings.Repeat("x", textLength)} {
		if _, _, _, err := parse([]byte(bad)); err == nil {
			t.Errorf("%q is taken for a message", bad)
		}
	}
}

func TestKind(t *testing.T) {
	tests := []struct {
		speech speech
		line   string
		want   kind
	}{
		{posko{}, "[GRUP] dapur ani halo", message},
		{posko{}, "[MSG] ani halo", message},
		{posko{}, "[OK] Pesan terkirim", other},
		{posko{}, "[INFO] ani bergabung dalam grup dapur", other},
		{posko{}, "[ERR] Tidak diizinkan", refusal},
		{irc{}, ":ani!ani@localhost PRIVMSG #dapur :halo", message},
		{irc{}, ":ani!ani@localhost JOIN #dapur", other},
		{irc{}, ":irc.localhost 422 ani :MOTD file is missing", other},
		{irc{}, ":irc.localhost 401 ani budi :No such nick", refusal},
		{irc{}, "ERROR :Closing link", refusal},
	}
	for _, tt := range tests {
		if got := tt.speech.kind([]byte(tt.line)); got != tt.want {
			t.Errorf("%q is of kind %v, not %v", tt.line, got, tt.want)
		}
	}
}

func TestParseCPUs(t *testing.T) {
	if got, err := parseCPUs("0-2,5"); err != nil || !slices.Equal(got, []int{0, 1, 2, 5}) {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := parseCPUs(""); err == nil {
		t.Error("no list is a list")
	}
}
