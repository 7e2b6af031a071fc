package hub

import (
	"context"
	"time"
)

// A Role is what a member may do in a group. Its numbers are on disk.
type Role int

// The roles, from the least.
const (
	Member   Role = 1
	Operator Role = 2
	Owner    Role = 3
)

// A Sanction is what an account may not do in a group. Its bits are on disk.
type Sanction int

// The sanctions. They belong to an account, whether it is a member or not.
const (
	Banned Sanction = 1 << iota // join
	Muted                       // send to the group
)

// An Action is something that was done in a group, other than talking, coming
// and going. Its numbers are on disk.
type Action int

// The actions. Those up to Unmute are done to an account.
const (
	Promote     Action = 1 // to operator
	Demote      Action = 2 // to plain member
	Kick        Action = 3
	Ban         Action = 4
	Unban       Action = 5
	Mute        Action = 6
	Unmute      Action = 7
	SetPassword Action = 8
	SetTopic    Action = 9
	Drop        Action = 10
	CloseFolder Action = 11 // plain members may only read in it
	OpenFolder  Action = 12 // they may change it again
	Restore     Action = 13
	HidePast    Action = 14 // members see only what came after they joined
	ShowPast    Action = 15 // they see all of it
)

// A Kind says what a message is. Its numbers are on disk.
type Kind int

// The kinds of messages. Other fronts will add notices.
const (
	Text Kind = 1
)

// An Account is what the hub needs to know of one: who it is and what its
// events call it.
type Account struct {
	ID    int64
	Name  string
	Admin bool // may broadcast
}

// A Message is one stored message of a conversation.
type Message struct {
	ID           int64 // grows over all conversations, in the order of commits
	Conversation int64
	Number       int64 // 1, 2, 3, … within its conversation
	Time         time.Time
	Kind         Kind
	From         Account // the name alone is set for a deleted account as well
	Group        string  // the group's name, or "" in a private conversation
	To           string  // the other account's name in a private conversation
	Text         string
}

// A StoredGroup is a group as the store knows it. Its ID is that of its
// conversation.
type StoredGroup struct {
	ID      int64
	Name    string
	Created time.Time
	Last    int64 // the number of its last message, 0 for none
	Swept   int64 // up to here there are none any more
	Topic   string
	Members []StoredMember
	// ReadOnly says that plain members may only read in its folder.
	ReadOnly bool
	// SinceJoined says that members see of the history only what came after
	// they joined.
	SinceJoined bool
	// Sanctions are those accounts that may not do everything.
	Sanctions []StoredSanction
	Dropped   time.Time // the zero Time for one that is not
}

// A StoredSanction is what an account may not do in a group.
type StoredSanction struct {
	Account  Account
	Sanction Sanction
}

// An Act is something that was done in a group.
type Act struct {
	Time   time.Time
	By     string // the name of who did it, "" for an operator of the server
	Action Action
	Target string // the account that it was done to, or ""
	Text   string // the topic, of SetTopic
}

// A StoredMember is a member of a group.
type StoredMember struct {
	Account Account
	Role    Role
	Joined  time.Time
	Since   int64 // the number of the last message before
}

// A StoredPrivate is the conversation of two accounts, A <= B, as the store
// knows it.
type StoredPrivate struct {
	ID   int64
	A, B int64

	Last  int64 // the number of its last message
	Swept int64 // up to here there are none any more
}

// A Record is one change that a round commits. It is one of the Record types
// below, each of which says what it changes.
type Record interface{ record() }

// RecordMessage adds a message to a conversation that exists, or that an
// earlier record of the same round opens.
type RecordMessage struct {
	ID, Conversation, Number int64
	Time                     time.Time
	Kind                     Kind
	From                     int64
	Text                     string
}

// RecordPrivate opens the conversation ID of two accounts, A <= B.
type RecordPrivate struct{ ID, A, B int64 }

// RecordGroup makes a group; ID is also that of its conversation. Its owner
// joins by a RecordJoin of the same round.
type RecordGroup struct {
	ID       int64
	Name     string
	Password string // the hash
	Time     time.Time
}

// RecordJoin adds a member, or changes the role of one.
type RecordJoin struct {
	Group, Account int64
	Role           Role
	Time           time.Time
	// Position is the account's read position from now on, and the number of
	// the last message before it joined; it is only written for a new member.
	Position int64
}

// RecordLeave removes a member and its read position.
type RecordLeave struct{ Group, Account int64 }

// RecordSanction says what an account may not do in a group from now on; 0 is
// nothing.
type RecordSanction struct {
	Group, Account int64
	Sanction       Sanction
}

// RecordGroupPassword replaces a group's password.
type RecordGroupPassword struct {
	Group    int64
	Password string // the hash
}

// RecordTopic replaces a group's topic.
type RecordTopic struct {
	Group int64
	Topic string
}

// RecordAct remembers what was done in a group. It does nothing itself.
type RecordAct struct {
	Group  int64
	Time   time.Time
	By     int64 // an account, 0 for an operator of the server
	Action Action
	Target int64 // an account, or 0
	Text   string
}

// RecordReadOnly says whether plain members may only read in a group's folder.
type RecordReadOnly struct {
	Group    int64
	ReadOnly bool
}

// RecordHistory says whether members see of a group's history only what came
// after they joined.
type RecordHistory struct {
	Group       int64
	SinceJoined bool
}

// RecordRestoreGroup makes a dropped group one that is not, with its name.
type RecordRestoreGroup struct {
	Group int64
	Name  string
}

// RecordForgetGroup deletes all there is of a dropped group but its messages,
// which SweepForgotten finds by that.
type RecordForgetGroup struct{ Group int64 }

// RecordDropGroup marks a group as dropped and frees its name. Everything else
// of it stays.
type RecordDropGroup struct {
	Group int64
	Time  time.Time
}

// RecordDeleteAccount marks an account as deleted: its name is free, its
// password, memberships, sanctions and read positions are gone. Its row stays,
// so that the messages that it wrote keep their name.
type RecordDeleteAccount struct {
	Account int64
	Time    time.Time
}

// RecordToken keeps a token that an account has used, in the place of one of the
// same text, and forgets another one unless that is "".
type RecordToken struct {
	Account int64
	Token   string
	Time    time.Time
	Forget  string
}

func (RecordMessage) record()       {}
func (RecordPrivate) record()       {}
func (RecordGroup) record()         {}
func (RecordJoin) record()          {}
func (RecordLeave) record()         {}
func (RecordSanction) record()      {}
func (RecordGroupPassword) record() {}
func (RecordTopic) record()         {}
func (RecordAct) record()           {}
func (RecordReadOnly) record()      {}
func (RecordHistory) record()       {}
func (RecordDropGroup) record()     {}
func (RecordRestoreGroup) record()  {}
func (RecordForgetGroup) record()   {}
func (RecordDeleteAccount) record() {}
func (RecordToken) record()         {}

// A Page says which messages Past gives: at most Limit ones, oldest first.
type Page struct {
	Limit  int
	Side   Side
	Number int64 // for Before and After, within the conversation; not included
}

// A Side says where a page lies.
type Side int

// The sides.
const (
	Newest Side = iota // the last messages there are
	Before             // the last ones before a number
	After              // the first ones after a number
)

// A Span is the part of a conversation with After < number <= Last.
type Span struct{ Conversation, After, Last int64 }

// A Store keeps groups, messages and read positions. Commit is only called
// from the hub's round, one at a time; the other methods from any goroutine.
type Store interface {
	// Groups returns every group with its members, dropped ones too.
	Groups(ctx context.Context) ([]StoredGroup, error)
	// LastIDs returns the greatest message ID and conversation ID ever given,
	// also to what has been deleted since.
	LastIDs(ctx context.Context) (message, conversation int64, err error)
	// Privates returns every private conversation.
	Privates(ctx context.Context) ([]StoredPrivate, error)
	// Tokens returns the tokens that were used after a time, from the oldest on.
	Tokens(ctx context.Context, after time.Time) ([]StoredToken, error)
	// ForgetTokens deletes those that were not. It need not be durable on return.
	ForgetTokens(ctx context.Context, after time.Time) error
	// AccountByName finds an account's ID and name by its lower-case name, for
	// a history that is asked for by name. It returns ErrNoAccount.
	AccountByName(ctx context.Context, key string) (Account, error)
	// SweepForgotten deletes the messages of forgotten groups, in small steps.
	// It need not be durable on return.
	SweepForgotten(ctx context.Context) error
	// Acts returns the last acts in a group, at most limit, the newest first.
	// The store may forget older ones.
	Acts(ctx context.Context, group int64, limit int) ([]Act, error)
	// Positions returns an account's read positions by conversation; one that
	// is missing is 0.
	Positions(ctx context.Context, account int64) (map[int64]int64, error)
	// SavePositions writes read positions, each unless a greater one is there
	// already or the account no longer takes part in the conversation. It
	// need not be durable on return.
	SavePositions(ctx context.Context, account int64, positions map[int64]int64) error
	// Commit makes all records durable in one transaction, in their order. If
	// it fails, none of them was done: with a *TakenError where the name of a
	// RecordGroup or RecordRestoreGroup is taken, with ErrFull where the disk is full. Only after ErrInDoubt
	// nobody can know.
	Commit(ctx context.Context, records []Record) error
	// Newest returns which parts of the spans the last limit messages over all
	// of them are.
	Newest(ctx context.Context, spans []Span, limit int) ([]Span, error)
	// Aged looks at up to limit messages behind the number after and returns the
	// last number up to which all were sent before a time, after itself if none
	// was, and when the next one was sent; the zero time if it has not got there.
	Aged(ctx context.Context, conversation, after int64, before time.Time, limit int) (number int64, next time.Time, err error)
	// Sweep deletes messages up to a number, not all at once, and tells whether
	// there may be more of them. They are gone from Search, too. It need not be
	// durable on return.
	Sweep(ctx context.Context, conversation, number int64) (more bool, err error)
	// Search returns the last limit messages of the spans that hold all of the
	// words, oldest first. Nothing in a word has a meaning of its own.
	Search(ctx context.Context, spans []Span, words []string, limit int) ([]Message, error)
	// Index makes some more messages known to Search, and tells whether there may
	// be more of them.
	Index(ctx context.Context) (more bool, err error)
	// Messages returns up to limit messages of the spans, oldest first over all
	// of them.
	Messages(ctx context.Context, spans []Span, limit int) ([]Message, error)
}

// A TakenError says that the name of one group of a round is taken.
type TakenError struct{ Group int64 }

func (e *TakenError) Error() string { return "hub: a name is taken" }
