package account

import (
	"errors"
	"testing"
)

func TestCheckGroup(t *testing.T) {
	d, s := newDirectory(t, Options{MinPassword: 8})
	a := add(t, d, "ani", "rahasia1")
	hash, err := d.HashGroup(t.Context(), "k") // groups' may be short
	if err != nil {
		t.Fatal(err)
	}
	s.groups[7] = hash
	check := func(group int64, password string, want error) {
		t.Helper()
		if err := d.CheckGroup(t.Context(), group, password, a, here); !errors.Is(err, want) {
			t.Errorf("%d %s: %v, not %v", group, password, err, want)
		}
	}
	check(7, "k", nil)
	check(7, "K", ErrGroupPassword)
	check(8, "k", ErrNoGroup)

	for _, bad := range []string{"", "no good"} {
		if _, err := d.HashGroup(t.Context(), bad); !errors.Is(err, ErrPasswordForm) {
			t.Error(bad, err)
		}
	}
}

func TestCheckGroupThrottled(t *testing.T) {
	d, s := newDirectory(t, Options{Throttle: limits})
	a, b := add(t, d, "ani", "rahasia1"), add(t, d, "budi", "rahasia1")
	for group, password := range map[int64]string{1: "own", 2: "others"} {
		hash, err := d.HashGroup(t.Context(), password)
		if err != nil {
			t.Fatal(err)
		}
		s.groups[group] = hash
	}
	for range 10 {
		if err := d.CheckGroup(t.Context(), 2, "wrong", a, here); !errors.Is(err, ErrGroupPassword) {
			t.Fatal(err)
		}
	}
	if err := d.CheckGroup(t.Context(), 2, "others", a, here); !errors.Is(err, ErrThrottled) {
		t.Errorf("right password after ten wrong ones: %v", err)
	}
	if _, err := d.Login(t.Context(), "ani", "rahasia1", here); err != nil {
		t.Errorf("login meanwhile: %v", err)
	}
	if err := d.CheckGroup(t.Context(), 2, "others", b, here); err != nil {
		t.Errorf("another's meanwhile: %v", err)
	}

	// Neither a group nor a login of one's own buys more guesses.
	tested := 0
	for range 20 {
		switch err := d.CheckGroup(t.Context(), 2, "wrong", a, there); {
		case errors.Is(err, ErrGroupPassword):
			tested++
		case !errors.Is(err, ErrThrottled):
			t.Fatal(err)
		}
		if err := d.CheckGroup(t.Context(), 1, "own", a, there); err != nil && !errors.Is(err, ErrThrottled) {
			t.Fatal(err)
		}
		if _, err := d.Login(t.Context(), "ani", "rahasia1", there); err != nil {
			t.Fatal(err)
		}
	}
	if tested != 10 {
		t.Errorf("%d passwords were tested", tested)
	}
}
