package account

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Options are the settings of a Directory. Those not marked otherwise take
// effect with SetOptions.
type Options struct {
	// Signup lets people make accounts by themselves.
	Signup bool
	// MinPassword is the least length of an account's new password, in
	// characters, at most 128. Groups' passwords may be shorter.
	MinPassword int
	// Throttle bounds wrong passwords. The zero value is no bound.
	Throttle Limits
	// Cost is that of the hashes of new passwords. Older ones stay as they are.
	Cost Cost
	// Hashes is how many hashes are computed at once, each in Cost.Memory; 0 is
	// as many as there are CPUs. It takes effect with New alone.
	Hashes int
}

// Validate returns all complaints about the options, joined.
func (o Options) Validate() error {
	var errs []error
	if o.MinPassword < 0 || o.MinPassword > maxPassword {
		errs = append(errs, fmt.Errorf("account: least password length is not 0 to %d", maxPassword))
	}
	if o.Throttle.Pair < 0 || o.Throttle.Address < 0 || o.Throttle.Window < 0 {
		errs = append(errs, errors.New("account: a limit of wrong passwords is negative"))
	}
	if !o.Cost.orDefault().valid() {
		errs = append(errs, fmt.Errorf("account: hash cost is not 8 KiB per thread to %d KiB, 1 to %d passes, 1 to %d threads",
			maxMemory, maxTime, maxThreads))
	}
	if o.Hashes < 0 {
		errs = append(errs, errors.New("account: number of hashes at once is negative"))
	}
	return errors.Join(errs...)
}

// A Directory is the accounts and the rules for them. Its methods may be called
// from any goroutine. Besides the errors that they name they return those of
// the Store and, while waiting, that of ctx.
type Directory struct {
	store    Store
	options  atomic.Pointer[Options]
	slots    slots
	throttle *throttle

	// change is held while an account is looked at and then changed on the
	// strength of it. Never while hashing.
	change sync.Mutex
}

// New returns a Directory of the accounts in store, in which nobody else may
// change passwords meanwhile, or the complaints of Options.Validate.
func New(store Store, o Options) (*Directory, error) {
	hashes := o.Hashes
	if hashes == 0 {
		hashes = runtime.GOMAXPROCS(0)
	}
	d := &Directory{store: store, throttle: newThrottle(maxTracked)}
	if err := d.SetOptions(o); err != nil {
		return nil, err
	}
	d.slots = make(slots, hashes)
	return d, nil
}

// SetOptions replaces the options, or changes nothing and returns the
// complaints of Options.Validate.
func (d *Directory) SetOptions(o Options) error {
	if err := o.Validate(); err != nil {
		return err
	}
	o.Cost = o.Cost.orDefault()
	d.options.Store(&o)
	return nil
}

// Login returns the account of that name if the password is its own. It
// returns ErrThrottled, ErrNoAccount, or ErrPassword, which a disabled account
// gets as well. All of the latter take the same time and count as wrong, so
// that a front may keep it to itself which names there are.
//
// A caller that keeps the account, as a session does, calls Confirm once a
// change of the account would reach it.
func (d *Directory) Login(ctx context.Context, name, password string, addr netip.Addr) (Account, error) {
	key := ""
	if ValidName(name) { // or it is nobody's, and not worth remembering
		key = Key(name)
	}
	a, err := d.store.AccountByName(ctx, key)
	unknown := errors.Is(err, ErrNoAccount)
	if unknown {
		a = Account{Name: key, Disabled: true}
	} else if err != nil {
		return Account{}, err
	}
	err = d.login(ctx, a, password, addr)
	if unknown && errors.Is(err, ErrPassword) {
		err = ErrNoAccount
	}
	if err != nil {
		return Account{}, err
	}
	return a, nil
}

// login tries the password of an account. It returns ErrThrottled or
// ErrPassword, and the latter only, after as much work, if it is disabled.
func (d *Directory) login(ctx context.Context, a Account, password string, addr netip.Addr) error {
	if a.Disabled {
		a.Password = noHash(d.options.Load().Cost)
	}
	return d.guess(ctx, a.Password, password, target{account: Key(a.Name)}, addr, succeeded, ErrPassword)
}

// guess tries a password against a hash. A right one is told to the throttle
// as the outcome right; a wrong one is answered with the error wrong. What is
// throttled is not tried.
//
// The throttle may wait for attempts under way. All of these have a slot, so
// it is waited for in a slot without harm.
func (d *Directory) guess(ctx context.Context, hash, password string, at target, addr netip.Addr, right outcome, wrong error) error {
	p, err := parse(hash)
	if err != nil {
		return err
	}
	if err := d.slots.acquire(ctx); err != nil {
		return err
	}
	defer d.slots.release()
	end, err := d.throttle.begin(ctx, d.options.Load().Throttle, at, addr)
	if err != nil {
		return err
	}
	if !p.matches(password) {
		end(failed)
		return wrong
	}
	end(right)
	return nil
}

// hash hashes a new password.
func (d *Directory) hash(ctx context.Context, password string) (string, error) {
	if err := d.slots.acquire(ctx); err != nil {
		return "", err
	}
	defer d.slots.release()
	return newHash(password, d.options.Load().Cost), nil
}

// Confirm returns nil while whoever logged in as a is still logged in: the
// account exists, is enabled and has the same epoch. Otherwise it returns
// ErrPassword.
//
// A session calls it after it was registered where changes end sessions, and
// before it is served: a change before the registration is seen here, one after
// it ends the session.
func (d *Directory) Confirm(ctx context.Context, a Account) error {
	now, err := d.store.AccountByID(ctx, a.ID)
	switch {
	case errors.Is(err, ErrNoAccount):
		return ErrPassword
	case err != nil:
		return err
	case now.Disabled || now.Epoch != a.Epoch:
		return ErrPassword
	}
	return nil
}

// SignUp makes an account for somebody who asks for one. It returns ErrName,
// ErrPasswordForm, ErrSignupClosed, ErrNameTaken or ErrPasswordShort, looking
// for them in this order.
func (d *Directory) SignUp(ctx context.Context, name, password string) (Account, error) {
	return d.add(ctx, name, password, d.options.Load().Signup)
}

// Add makes an account for an administrator. It is SignUp without
// ErrSignupClosed.
func (d *Directory) Add(ctx context.Context, name, password string) (Account, error) {
	return d.add(ctx, name, password, true)
}

func (d *Directory) add(ctx context.Context, name, password string, open bool) (Account, error) {
	switch {
	case !ValidName(name):
		return Account{}, ErrName
	case !ValidPassword(password):
		return Account{}, ErrPasswordForm
	case !open:
		return Account{}, ErrSignupClosed
	}
	a, err := d.prepare(ctx, name, password)
	if err != nil {
		return Account{}, err
	}
	return d.store.AddAccount(ctx, a)
}

// prepare makes an account for the store to keep. It returns ErrNameTaken or
// ErrPasswordShort.
func (d *Directory) prepare(ctx context.Context, name, password string) (Account, error) {
	// The store is asked first, lest taken names cost a hash each.
	switch taken, err := d.store.NameTaken(ctx, Skeleton(name)); {
	case err != nil:
		return Account{}, err
	case taken:
		return Account{}, ErrNameTaken
	}
	hash, err := d.newPassword(ctx, password)
	if err != nil {
		return Account{}, err
	}
	return Account{Name: name, Password: hash, Created: time.Now()}, nil
}

// newPassword hashes an account's new password, or returns ErrPasswordForm or
// ErrPasswordShort.
func (d *Directory) newPassword(ctx context.Context, password string) (string, error) {
	switch {
	case !ValidPassword(password):
		return "", ErrPasswordForm
	case len(password) < d.options.Load().MinPassword:
		return "", ErrPasswordShort
	}
	return d.hash(ctx, password)
}

// ChangePassword replaces an account's password for its owner, who knows the
// current one. It returns the account as it is then. It refuses with
// ErrPasswordForm for the next one, ErrNoAccount, ErrThrottled, ErrPassword for
// the current one, which counts like that of a login, or ErrPasswordShort,
// looking for them in this order.
func (d *Directory) ChangePassword(ctx context.Context, id int64, current, next string, addr netip.Addr) (Account, error) {
	if !ValidPassword(next) {
		return Account{}, ErrPasswordForm
	}
	a, err := d.store.AccountByID(ctx, id)
	if err != nil {
		return Account{}, err
	}
	if err := d.login(ctx, a, current, addr); err != nil {
		return Account{}, err
	}
	hash, err := d.newPassword(ctx, next)
	if err != nil {
		return Account{}, err
	}
	d.change.Lock()
	defer d.change.Unlock()
	// The password may have been replaced while the next one was hashed,
	// perhaps because it had fallen into the very hands that are at work here.
	if err := d.Confirm(ctx, a); err != nil {
		return Account{}, err
	}
	return d.store.SetPassword(ctx, id, hash)
}

// SetPassword replaces an account's password for an administrator. It returns
// the account as it is now, or ErrPasswordForm, ErrPasswordShort or
// ErrNoAccount.
func (d *Directory) SetPassword(ctx context.Context, id int64, password string) (Account, error) {
	hash, err := d.newPassword(ctx, password)
	if err != nil {
		return Account{}, err
	}
	d.change.Lock()
	defer d.change.Unlock()
	return d.store.SetPassword(ctx, id, hash)
}

// SetDisabled shuts an account out, or lets it in again. It returns the account
// as it is now, or ErrNoAccount. To end its sessions is the caller's part.
func (d *Directory) SetDisabled(ctx context.Context, id int64, disabled bool) (Account, error) {
	d.change.Lock()
	defer d.change.Unlock()
	return d.store.SetDisabled(ctx, id, disabled)
}

// SetAdmin makes an account an administrator, or no longer one. It returns the
// account as it is now, or ErrNoAccount.
func (d *Directory) SetAdmin(ctx context.Context, id int64, admin bool) (Account, error) {
	return d.store.SetAdmin(ctx, id, admin)
}

// Tracked is how many addresses and targets of guesses the login throttle
// remembers, and how many it can at the most.
func (d *Directory) Tracked() (n, most int) {
	d.throttle.mu.Lock()
	defer d.throttle.mu.Unlock()
	return d.throttle.tracked, d.throttle.max
}

// Find returns the account of that name, in any letter case, or ErrNoAccount.
func (d *Directory) Find(ctx context.Context, name string) (Account, error) {
	return d.store.AccountByName(ctx, Key(name))
}

// List returns all accounts, by name without regard to letter case.
func (d *Directory) List(ctx context.Context) ([]Account, error) {
	return d.store.Accounts(ctx)
}
