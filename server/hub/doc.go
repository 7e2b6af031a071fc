// Package hub owns who is connected, by any protocol; the groups and their
// members; the order of what is said; its delivery; and how far each account
// has read.
//
// It knows no wire words, no SQL and no sockets: a front gives it outboxes to
// append to and a way to word events, a store keeps what must last.
package hub

import "errors"

// The refusals of this package. A dialect words them.
var (
	ErrNoGroup   = errors.New("hub: no such group")
	ErrNoAccount = errors.New("hub: no such account")
	ErrOffline   = errors.New("hub: the recipient is not connected")
	ErrMember    = errors.New("hub: already a member")
	ErrNotMember = errors.New("hub: not a member")
	ErrNoTarget  = errors.New("hub: the account that it is meant for is not a member")
	ErrChanged   = errors.New("hub: the group's password was changed meanwhile")
	ErrTopic     = errors.New("hub: the topic is too long")
	ErrNameTaken = errors.New("hub: name is taken")
	ErrDenied    = errors.New("hub: not allowed")
	ErrClosed    = errors.New("hub: stopped")
	ErrFull      = errors.New("hub: no space left on the disk")
	ErrSessions  = errors.New("hub: too many sessions of the account")

	// ErrInDoubt means that a change may have been made or not. The hub takes
	// no further ones.
	ErrInDoubt = errors.New("hub: nobody knows whether the change was made")
)
