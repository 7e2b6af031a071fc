package account

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
)

var cheap = Cost{Memory: 8, Time: 1, Threads: 1}

func TestHash(t *testing.T) {
	for _, cost := range []Cost{cheap, {Memory: 64, Time: 3, Threads: 2}} {
		text := newHash("rahasia1", cost)
		p, err := parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if p.cost != cost {
			t.Errorf("%s was to cost %+v", text, cost)
		}
		for _, wrong := range []string{"", "rahasia", "rahasia2", "Rahasia1"} {
			if p.matches(wrong) {
				t.Errorf("%s is matched by %q", text, wrong)
			}
		}
		if !p.matches("rahasia1") {
			t.Errorf("%s is not matched by its password", text)
		}
		if newHash("rahasia1", cost) == text {
			t.Error("two hashes are the same: no salt")
		}
	}
}

// What the argon2 command of the reference implementation has made is good
// here.
func TestHashReference(t *testing.T) {
	for _, text := range []string{
		"$argon2id$v=19$m=64,t=3,p=2$MDEyMzQ1Njc4OWFiY2RlZg$p9ef+bEJDoZ5X8V5yZjMa53F4bE79AJJ4xatzq3x6Dw",
		"$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$yugQiE1AgIDizEV+uC4srPshMo02M2Pb8JE24oYIfe8",
	} {
		p, err := parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if !p.matches("rahasia1") {
			t.Errorf("%s is not matched", text)
		}
	}
	if got, want := (Cost{}).orDefault(), (Cost{Memory: 19456, Time: 2, Threads: 1}); got != want {
		t.Errorf("the default cost is %+v", got)
	}
}

func TestHashDamaged(t *testing.T) {
	const good = "$argon2id$v=19$m=64,t=3,p=2$MDEyMzQ1Njc4OWFiY2RlZg$p9ef+bEJDoZ5X8V5yZjMa53F4bE79AJJ4xatzq3x6Dw"
	for _, change := range [][2]string{
		{"argon2id", "argon2i"},
		{"argon2id", "argon2d"},
		{"v=19", "v=16"},
		{"v=19$", ""},
		{"m=64", "m=4294967295"},
		{"m=64", "m=1048577"},
		{"m=64", "m=99999999999999999999"},
		{"m=64", "m=15"}, // less than 8 a lane
		{"m=64", "m=064"},
		{"m=64", "m=-64"},
		{"m=64,t=3", "t=3,m=64"},
		{"t=3", "t=0"},
		{"t=3", "t=17"},
		{"p=2", "p=0"},
		{"p=2", "p=17"},
		{"p=2", "p=256"},
		{"p=2", "p=2,x=1"},
		{"MDEy", ""},
		{"MDEy", "MD!y"},
		{"MDEyMzQ1Njc4OWFiY2RlZg", ""},
		{"RlZg", "RlZh"}, // bits beyond the last byte
		{"x6Dw", ""},
		{"x6Dw", "x6Dw="},
		{"x6Dw", "x6Dw\n"},
		{"x6Dw", "x6DwAAAA"},
		{"x6Dw", "x6Dw$"},
		{good, ""},
		{good, "rahasia1"},
		{good, "$$$$$"},
	} {
		text := strings.Replace(good, change[0], change[1], 1)
		if text == good {
			t.Fatalf("%q is not in the good one", change[0])
		}
		_, err := parse(text)
		if !errors.Is(err, errHash) || err.Error() != errHash.Error() {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestNoHash(t *testing.T) {
	p, err := parse(noHash(cheap))
	if err != nil {
		t.Fatal(err)
	}
	if p.cost != cheap {
		t.Errorf("costs %+v", p.cost)
	}
	if p.matches("") || p.matches("rahasia1") {
		t.Error("is matched by a password")
	}
}

func TestSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := make(slots, 2)
		for range 2 {
			if err := s.acquire(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		got := make(chan error)
		acquire := func(ctx context.Context) { got <- s.acquire(ctx) }
		go acquire(ctx)
		synctest.Wait()
		select {
		case err := <-got:
			t.Fatalf("a third slot of two: %v", err)
		default:
		}
		cancel()
		if err := <-got; !errors.Is(err, context.Canceled) {
			t.Fatalf("cancelled while waiting: %v", err)
		}
		go acquire(t.Context())
		synctest.Wait()
		s.release()
		if err := <-got; err != nil {
			t.Fatal(err)
		}
	})
}
