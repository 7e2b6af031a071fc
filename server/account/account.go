// Package account owns the rules of accounts: which names and passwords are
// allowed, how a password is kept and checked, who may sign up, and how often
// somebody may guess. It also checks the passwords of groups, since guessing
// one is bounded in the same way.
//
// It knows no wire words, no SQL and no connections. Who is connected, and who
// belongs to a group, is the hub's business.
package account

import (
	"context"
	"errors"
	"time"
)

// The refusals of this package. A dialect words them.
var (
	ErrNoAccount     = errors.New("account: no such account")
	ErrNoGroup       = errors.New("account: no such group")
	ErrNameTaken     = errors.New("account: name is taken")
	ErrName          = errors.New("account: name is not 1 to 32 letters and digits")
	ErrPassword      = errors.New("account: wrong password")
	ErrGroupPassword = errors.New("account: wrong password of the group")
	ErrPasswordShort = errors.New("account: password is too short")
	ErrPasswordForm  = errors.New("account: password is not 1 to 128 letters and digits")
	ErrSignupClosed  = errors.New("account: sign-up is closed")
	ErrInvitation    = errors.New("account: no such invitation, or none any more")
	ErrThrottled     = errors.New("account: too many failed attempts")
	// ErrInvitationBounds is for the operator who makes one.
	ErrInvitationBounds = errors.New("account: uses or time of an invitation out of bounds")

	ErrFull = errors.New("account: no space left on the disk")
)

// An Account is one person's entry. Its ID is never used again.
type Account struct {
	ID       int64
	Name     string // as it was registered
	Password string // the hash, in the PHC string format
	Admin    bool
	Disabled bool
	// Epoch grows with every change that ends the account's sessions: a new
	// password, disabling. Who logged in under an older epoch is logged in no
	// longer.
	Epoch   int64
	Created time.Time
}

// A Store keeps accounts. Every method may be called from any goroutine, and
// every change is durable before its method returns.
type Store interface {
	// AccountByName finds an account by the Key of its name, or returns
	// ErrNoAccount.
	AccountByName(ctx context.Context, key string) (Account, error)
	// AccountByID returns ErrNoAccount for one that was never there or that
	// was deleted.
	AccountByID(ctx context.Context, id int64) (Account, error)
	// Accounts lists all of them, by name without regard to letter case.
	Accounts(ctx context.Context) ([]Account, error)
	// NameTaken tells whether an account or a group has a name with this
	// Skeleton.
	NameTaken(ctx context.Context, skeleton string) (bool, error)
	// AddAccount keeps a new account, whose ID and Epoch are chosen by the
	// store. It returns ErrNameTaken if an account or a group has a name with
	// the same Skeleton.
	AddAccount(ctx context.Context, a Account) (Account, error)
	// SetPassword replaces the hash and adds one to the epoch. It returns the
	// account as it is now, or ErrNoAccount.
	SetPassword(ctx context.Context, id int64, hash string) (Account, error)
	// SetDisabled changes the state and, if that was a change, adds one to the
	// epoch. It returns the account as it is now, or ErrNoAccount.
	SetDisabled(ctx context.Context, id int64, disabled bool) (Account, error)
	// SetAdmin likewise, but leaves the epoch as it is.
	SetAdmin(ctx context.Context, id int64, admin bool) (Account, error)
	// AddInvitation keeps a new invitation, whose ID is chosen by the store. It
	// returns ErrNoGroup.
	AddInvitation(ctx context.Context, i Invitation, hash []byte) error
	// Invitations lists those that have not expired, by ID.
	Invitations(ctx context.Context, now time.Time) ([]Invitation, error)
	// RemoveInvitation returns ErrInvitation if there is none with that ID.
	RemoveInvitation(ctx context.Context, id int64) error
	// InvitationOpen tells whether there is one with the hash that is not used
	// up, has not expired and is of no dropped group.
	InvitationOpen(ctx context.Context, hash []byte, now time.Time) (bool, error)
	// AddInvited is AddAccount with the use of such an invitation, in one step;
	// it also makes the account a member of the invitation's group and returns
	// that, or 0. It returns ErrInvitation if there is none.
	AddInvited(ctx context.Context, a Account, hash []byte) (added Account, group int64, err error)
	// CertificateAccount is the account that a certificate is bound to, or
	// ErrCertificate for none, or ErrRevoked.
	CertificateAccount(ctx context.Context, fingerprint string) (id int64, err error)
	// Certificates lists those of an account, the oldest first.
	Certificates(ctx context.Context, id int64) ([]Bound, error)
	// SetCertificate binds a certificate to an account or, if it is revoked,
	// takes it away from it and adds one to the epoch. It returns the account as
	// it is now, or ErrNoAccount, or ErrCertificateTaken if another account
	// that was not deleted has it.
	SetCertificate(ctx context.Context, id int64, fingerprint string, revoked bool) (Account, error)
	// GroupPassword is the hash of a group's password, or ErrNoGroup.
	GroupPassword(ctx context.Context, group int64) (string, error)
}
