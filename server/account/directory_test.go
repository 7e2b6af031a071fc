package account

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var limits = Limits{Pair: 10, Address: 100, Window: 5 * time.Minute}

func TestLogin(t *testing.T) {
	d, _ := newDirectory(t, Options{})
	a := add(t, d, "Ani", "rahasia1")
	out := add(t, d, "budi", "rahasia2")
	if _, err := d.SetDisabled(t.Context(), out.ID, true); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, password string
		want           error
	}{
		{"Ani", "rahasia1", nil},
		{"aNI", "rahasia1", nil},
		{"ani", "Rahasia1", ErrPassword},
		{"ani", "", ErrPassword},
		{"ani", strings.Repeat("x", 8192), ErrPassword},
		{"an1", "rahasia1", ErrNoAccount}, // alike, but not the same
		{"budi", "rahasia2", ErrPassword},
		{"budi", "rahasia1", ErrPassword},
		{"", "rahasia1", ErrNoAccount},
		{"an i", "rahasia1", ErrNoAccount},
		{strings.Repeat("x", 8192), "rahasia1", ErrNoAccount},
	} {
		got, err := d.Login(t.Context(), test.name, test.password, here)
		if !errors.Is(err, test.want) {
			t.Errorf("%.20q %.20q: %v, not %v", test.name, test.password, err, test.want)
		}
		if err == nil && got != a || err != nil && got != (Account{}) {
			t.Errorf("%.20q %.20q: %+v", test.name, test.password, got)
		}
		if err != nil && test.password != "" && strings.Contains(err.Error(), test.password) {
			t.Errorf("%v: tells the password", err)
		}
	}
}

// Whoever is refused has waited for a hash.
func TestLoginHashes(t *testing.T) {
	d, _ := newDirectory(t, Options{Hashes: 1})
	a := add(t, d, "ani", "rahasia1")
	out := add(t, d, "budi", "rahasia2")
	if _, err := d.SetDisabled(t.Context(), out.ID, true); err != nil {
		t.Fatal(err)
	}
	d.slots <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, name := range []string{"ani", "budi", "nobody", "no body"} {
		if _, err := d.Login(ctx, name, "wrong", here); !errors.Is(err, context.Canceled) {
			t.Errorf("Login of %q with no slot free: %v", name, err)
		}
	}
	if _, err := d.ChangePassword(ctx, a.ID, "wrong", "rahasia3", here); !errors.Is(err, context.Canceled) {
		t.Errorf("ChangePassword with no slot free: %v", err)
	}
	if _, err := d.HashGroup(ctx, "kunci"); !errors.Is(err, context.Canceled) {
		t.Errorf("HashGroup with no slot free: %v", err)
	}
}

func TestLoginThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _ := newDirectory(t, Options{Throttle: limits})
		a := add(t, d, "ani", "rahasia1")
		login := func(name, password string) error {
			_, err := d.Login(t.Context(), name, password, here)
			return err
		}
		for range 9 {
			if err := login("ANI", "wrong"); !errors.Is(err, ErrPassword) {
				t.Fatal(err)
			}
		}
		if err := login("ani", "rahasia1"); err != nil {
			t.Fatal(err)
		}
		for range 5 { // by either way
			if err := login("Ani", "wrong"); !errors.Is(err, ErrPassword) {
				t.Fatal(err)
			}
			if _, err := d.ChangePassword(t.Context(), a.ID, "wrong", "rahasia2", here); !errors.Is(err, ErrPassword) {
				t.Fatal(err)
			}
		}
		if err := login("ani", "rahasia1"); !errors.Is(err, ErrThrottled) {
			t.Fatalf("right password after ten wrong ones: %v", err)
		}
		if _, err := d.ChangePassword(t.Context(), a.ID, "rahasia1", "rahasia2", here); !errors.Is(err, ErrThrottled) {
			t.Fatalf("ChangePassword after ten wrong ones: %v", err)
		}
		if _, err := d.Login(t.Context(), "ani", "rahasia1", there); err != nil {
			t.Fatalf("from elsewhere: %v", err)
		}
		for i := range 81 {
			if err := login(fmt.Sprint("nobody", i), "wrong"); !errors.Is(err, ErrNoAccount) {
				t.Fatalf("unknown name %d: %v", i, err)
			}
		}
		if err := login("budi", "wrong"); !errors.Is(err, ErrThrottled) {
			t.Fatalf("after a hundred wrong ones: %v", err)
		}
		time.Sleep(limits.Window)
		if err := login("ani", "rahasia1"); err != nil {
			t.Fatalf("after the window: %v", err)
		}
	})
}

func TestLoginUnknownThrottled(t *testing.T) {
	d, _ := newDirectory(t, Options{Throttle: limits})
	for range 10 {
		if _, err := d.Login(t.Context(), "nobody", "wrong", here); !errors.Is(err, ErrNoAccount) {
			t.Fatal(err)
		}
	}
	if _, err := d.Login(t.Context(), "Nobody", "wrong", here); !errors.Is(err, ErrThrottled) {
		t.Errorf("the eleventh: %v", err)
	}
	for i := range 10 { // what can be no name is not told apart
		if _, err := d.Login(t.Context(), fmt.Sprint("no body", i), "wrong", here); !errors.Is(err, ErrNoAccount) {
			t.Fatal(err)
		}
	}
	if _, err := d.Login(t.Context(), "no-body", "wrong", here); !errors.Is(err, ErrThrottled) {
		t.Errorf("the eleventh that is no name: %v", err)
	}
}

// Guessing in parallel tests no more passwords than guessing in turn.
func TestLoginBurst(t *testing.T) {
	d, _ := newDirectory(t, Options{Throttle: limits, Hashes: 32})
	add(t, d, "ani", "rahasia1")
	var tested, throttled atomic.Int64
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			switch _, err := d.Login(t.Context(), "ani", "wrong", here); {
			case errors.Is(err, ErrPassword):
				tested.Add(1)
			case errors.Is(err, ErrThrottled):
				throttled.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if tested.Load() != 10 || throttled.Load() != 90 {
		t.Errorf("%d were tested, %d throttled", tested.Load(), throttled.Load())
	}
}

// Many who come at once with the right password, as after a restart, are all
// let in.
func TestLoginCrowd(t *testing.T) {
	d, _ := newDirectory(t, Options{Throttle: Limits{Pair: 1, Address: 2, Window: time.Hour}, Hashes: 32})
	add(t, d, "ani", "rahasia1")
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			if _, err := d.Login(t.Context(), "ani", "rahasia1", here); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func TestLoginDamaged(t *testing.T) {
	d, s := newDirectory(t, Options{})
	a := add(t, d, "ani", "rahasia1")
	if _, err := s.SetPassword(t.Context(), a.ID, "rahasia1"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Login(t.Context(), "ani", "rahasia1", here); !errors.Is(err, errHash) {
		t.Errorf("damaged hash: %v", err)
	}
}

func TestConfirm(t *testing.T) {
	d, s := newDirectory(t, Options{})
	for name, test := range map[string]struct {
		change func(Account) error
		want   error
	}{
		"ani":  {func(Account) error { return nil }, nil},
		"budi": {func(a Account) error { _, err := d.SetPassword(t.Context(), a.ID, "rahasia2"); return err }, ErrPassword},
		"cici": {func(a Account) error { _, err := d.SetDisabled(t.Context(), a.ID, true); return err }, ErrPassword},
		"dewi": {func(a Account) error { _, err := d.SetAdmin(t.Context(), a.ID, true); return err }, nil},
		"eko":  {func(a Account) error { delete(s.accounts, a.ID); return nil }, ErrPassword},
	} {
		a := add(t, d, name, "rahasia1")
		if err := test.change(a); err != nil {
			t.Fatal(err)
		}
		if err := d.Confirm(t.Context(), a); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, not %v", name, err, test.want)
		}
	}
	a, err := d.Find(t.Context(), "cici")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Confirm(t.Context(), a); !errors.Is(err, ErrPassword) {
		t.Errorf("disabled all along: %v", err)
	}
}

func TestSignUp(t *testing.T) {
	d, _ := newDirectory(t, Options{Signup: true, MinPassword: 8})
	add(t, d, "ani", "rahasia1")
	for _, test := range []struct {
		name, password string
		want           error
		closed         error // what it is while sign-up is closed
	}{
		{"a b", "short", ErrName, ErrName},
		{"ani", "no good", ErrPasswordForm, ErrPasswordForm},
		{"ANI", "short", ErrNameTaken, ErrSignupClosed},
		{"an1", "rahasia1", ErrNameTaken, ErrSignupClosed},
		{"budi", "short67", ErrPasswordShort, ErrSignupClosed},
		{"Budi", "rahasia1", nil, ErrSignupClosed},
	} {
		if err := d.SetOptions(Options{MinPassword: 8, Cost: cheap}); err != nil {
			t.Fatal(err)
		}
		if _, err := d.SignUp(t.Context(), test.name, test.password); !errors.Is(err, test.closed) {
			t.Errorf("closed: %s %s: %v, not %v", test.name, test.password, err, test.closed)
		}
		if err := d.SetOptions(Options{Signup: true, MinPassword: 8, Cost: cheap}); err != nil {
			t.Fatal(err)
		}
		_, err := d.SignUp(t.Context(), test.name, test.password)
		if !errors.Is(err, test.want) {
			t.Errorf("%s %s: %v, not %v", test.name, test.password, err, test.want)
		}
	}
	a, err := d.Find(t.Context(), "bUDI")
	if err != nil || a.Name != "Budi" || a.Admin || a.Disabled || time.Since(a.Created).Abs() > time.Minute {
		t.Errorf("the new account is %+v, %v", a, err)
	}
	if got, err := d.Login(t.Context(), "budi", "rahasia1", here); err != nil || got != a {
		t.Errorf("Login of the new account: %+v, %v", got, err)
	}
	if all, err := d.List(t.Context()); err != nil || len(all) != 2 || all[1] != a {
		t.Errorf("List: %+v, %v", all, err)
	}
}

// A name that is taken doesn't cost a hash.
func TestSignUpTaken(t *testing.T) {
	d, _ := newDirectory(t, Options{Signup: true, Hashes: 1})
	add(t, d, "ani", "rahasia1")
	d.slots <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.SignUp(ctx, "Ani", "rahasia2"); !errors.Is(err, ErrNameTaken) {
		t.Error(err)
	}
}

func TestAdd(t *testing.T) {
	d, _ := newDirectory(t, Options{MinPassword: 8}) // sign-up is closed
	add(t, d, "ani", "rahasia1")
	if _, err := d.Add(t.Context(), "budi", "short"); !errors.Is(err, ErrPasswordShort) {
		t.Error(err)
	}
}

func TestChangePassword(t *testing.T) {
	d, _ := newDirectory(t, Options{MinPassword: 8})
	a := add(t, d, "ani", "rahasia1")
	change := func(current, next string) error {
		_, err := d.ChangePassword(t.Context(), a.ID, current, next, here)
		return err
	}
	for _, test := range []struct {
		current, next string
		want          error
	}{
		{"wrong", "no good", ErrPasswordForm},
		{"wrong", "short", ErrPassword},
		{"rahasia1", "short", ErrPasswordShort},
	} {
		if err := change(test.current, test.next); !errors.Is(err, test.want) {
			t.Errorf("%s %s: %v, not %v", test.current, test.next, err, test.want)
		}
	}
	now, err := d.ChangePassword(t.Context(), a.ID, "rahasia1", "rahasia2", here)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := d.Login(t.Context(), "ani", "rahasia2", here); err != nil || got != now || now.Epoch == a.Epoch {
		t.Errorf("%+v, %v after a change to %+v", got, err, now)
	}
	if err := change("rahasia1", "rahasia3"); !errors.Is(err, ErrPassword) {
		t.Errorf("with the one before: %v", err)
	}
	if _, err := d.SetDisabled(t.Context(), a.ID, true); err != nil {
		t.Fatal(err)
	}
	if err := change("rahasia2", "rahasia3"); !errors.Is(err, ErrPassword) {
		t.Errorf("disabled: %v", err)
	}
	if _, err := d.ChangePassword(t.Context(), 99, "rahasia2", "rahasia3", here); !errors.Is(err, ErrNoAccount) {
		t.Errorf("no such account: %v", err)
	}
}

// Who knew the password before the administrator replaced it doesn't replace
// the administrator's.
func TestChangePasswordLate(t *testing.T) {
	d, s := newDirectory(t, Options{})
	a := add(t, d, "ani", "rahasia1")

	changes := 0 // that exclude others
	s.onChange = func() {
		if d.change.TryLock() {
			d.change.Unlock()
		} else {
			changes++
		}
	}
	_, err1 := d.ChangePassword(t.Context(), a.ID, "rahasia1", "rahasia1", here)
	_, err2 := d.SetPassword(t.Context(), a.ID, "rahasia1")
	_, err3 := d.SetDisabled(t.Context(), a.ID, false)
	if err := errors.Join(err1, err2, err3); err != nil || changes != 3 {
		t.Fatalf("%d of 3 changes exclude each other, %v", changes, err)
	}
	s.onChange = nil

	late := &lateStore{memStore: s, change: func() {
		if _, err := s.SetPassword(t.Context(), a.ID, newHash("rahasia2", cheap)); err != nil {
			t.Error(err)
		}
	}}
	d.store = late
	if _, err := d.ChangePassword(t.Context(), a.ID, "rahasia1", "rahasia3", here); !errors.Is(err, ErrPassword) {
		t.Errorf("changed meanwhile: %v", err)
	}
	if _, err := d.Login(t.Context(), "ani", "rahasia2", here); err != nil {
		t.Errorf("the administrator's password: %v", err)
	}
}

// A lateStore makes a change after an account was read for the first time.
type lateStore struct {
	*memStore
	change func()
}

func (s *lateStore) AccountByID(ctx context.Context, id int64) (Account, error) {
	a, err := s.memStore.AccountByID(ctx, id)
	if s.change != nil {
		s.change()
		s.change = nil
	}
	return a, err
}

func TestSetPassword(t *testing.T) {
	d, _ := newDirectory(t, Options{MinPassword: 8})
	a := add(t, d, "ani", "rahasia1")
	for _, test := range []struct {
		id       int64
		password string
		want     error
	}{
		{a.ID, "no good!", ErrPasswordForm},
		{a.ID, "short", ErrPasswordShort},
		{99, "rahasia2", ErrNoAccount},
		{a.ID, "rahasia2", nil},
	} {
		if _, err := d.SetPassword(t.Context(), test.id, test.password); !errors.Is(err, test.want) {
			t.Errorf("%d %s: %v, not %v", test.id, test.password, err, test.want)
		}
	}
	if _, err := d.Login(t.Context(), "ani", "rahasia2", here); err != nil {
		t.Error(err)
	}
}

func TestOptions(t *testing.T) {
	for _, o := range []Options{
		{MinPassword: -1}, {MinPassword: 129}, {Hashes: -1},
		{Throttle: Limits{Pair: -1}}, {Throttle: Limits{Address: -1}}, {Throttle: Limits{Window: -1}},
		{Cost: Cost{Memory: 7}}, {Cost: Cost{Memory: 1<<20 + 1}}, {Cost: Cost{Time: 17}}, {Cost: Cost{Threads: 17}},
	} {
		if _, err := New(newMemStore(), o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
	d, err := New(newMemStore(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if d.SetOptions(Options{Signup: true, Hashes: -1}) == nil || d.options.Load().Signup {
		t.Error("refused options take effect")
	}
}
