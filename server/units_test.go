package server

import (
	"math"
	"testing"
	"time"
)

func TestDuration(t *testing.T) {
	tests := []struct {
		text string
		want time.Duration // -1 = refused
		form string        // how it is printed; "" = as text
	}{
		{"0", 0, "0s"},
		{"0s", 0, ""},
		{"10ms", 10 * time.Millisecond, ""},
		{"30s", 30 * time.Second, ""},
		{"15m", 15 * time.Minute, ""},
		{"90m", 90 * time.Minute, "1h30m"},
		{"12h", 12 * time.Hour, ""},
		{"1h0m5s", time.Hour + 5*time.Second, ""},
		{"7d", 7 * day, ""},
		{"24h", day, "1d"},
		{"1d12h", day + 12*time.Hour, ""},
		{"2w", 14 * day, "14d"},
		{"1w1d1h", 8*day + time.Hour, "8d1h"},
		{"106751d", 106751 * day, ""},
		{"106752d", -1, ""},
		{"106751d24h", -1, ""},
		{"15251w", -1, ""},
		{"", -1, ""},
		{"30", -1, ""},
		{"-1s", -1, ""},
		{"-1d", -1, ""},
		{"1d-1h", -1, ""},
		{"d", -1, ""},
		{"1.5d", -1, ""},
		{"1d1w", -1, ""},
		{"1d1d", -1, ""},
		{"1 d", -1, ""},
		{"7 days", -1, ""},
	}
	for _, tt := range tests {
		d := Duration(-1)
		err := d.UnmarshalText([]byte(tt.text))
		if time.Duration(d) != tt.want || (err != nil) != (tt.want == -1) {
			t.Errorf("%q is %v, %v, want %v", tt.text, time.Duration(d), err, tt.want)
			continue
		}
		if form := tt.form; err == nil {
			if form == "" {
				form = tt.text
			}
			if got := d.String(); got != form {
				t.Errorf("%q is printed as %q, want %q", tt.text, got, form)
			}
		}
	}
}

func TestSize(t *testing.T) {
	tests := []struct {
		text string
		want Size   // -1 = refused
		form string // how it is printed; "" = as text
	}{
		{"0", 0, ""},
		{"1", 1, ""},
		{"8191", 8191, ""},
		{"8192", 8192, "8KiB"},
		{"19MiB", 19 << 20, ""},
		{"1024MiB", 1 << 30, "1GiB"},
		{"5GiB", 5 << 30, ""},
		{"3TiB", 3 << 40, ""},
		{"0TiB", 0, "0"},
		{"8388607TiB", 8388607 << 40, ""},
		{"8388608TiB", -1, ""},
		{"9223372036854775807", math.MaxInt64, ""},
		{"9223372036854775808", -1, ""},
		{"", -1, ""},
		{"GiB", -1, ""},
		{"-1", -1, ""},
		{"+1", -1, ""},
		{"1.5GiB", -1, ""},
		{"5GB", -1, ""},
		{"5gib", -1, ""},
		{"5 GiB", -1, ""},
		{"5GiBMiB", -1, ""},
		{"1_000", -1, ""},
	}
	for _, tt := range tests {
		s := Size(-1)
		err := s.UnmarshalText([]byte(tt.text))
		if s != tt.want || (err != nil) != (tt.want == -1) {
			t.Errorf("%q is %d, %v, want %d", tt.text, s, err, tt.want)
			continue
		}
		if form := tt.form; err == nil {
			if form == "" {
				form = tt.text
			}
			if got := s.String(); got != form {
				t.Errorf("%q is printed as %q, want %q", tt.text, got, form)
			}
		}
	}
}

// FuzzUnits demands that what is printed reads back as the same value.
func FuzzUnits(f *testing.F) {
	f.Add(int64(0))
	f.Add(int64(math.MaxInt64))
	f.Add(int64(36 * time.Hour))
	f.Add(int64(5 << 30))
	f.Fuzz(func(t *testing.T, n int64) {
		if n < 0 {
			return
		}
		var d Duration
		text, _ := Duration(n).MarshalText()
		if err := d.UnmarshalText(text); err != nil || int64(d) != n {
			t.Errorf("duration %d is printed as %q and read as %d, %v", n, text, d, err)
		}
		var s Size
		text, _ = Size(n).MarshalText()
		if err := s.UnmarshalText(text); err != nil || int64(s) != n {
			t.Errorf("size %d is printed as %q and read as %d, %v", n, text, s, err)
		}
	})
}
