package hub

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options are the settings of a hub.
type Options struct {
	Store Store
	Log   *slog.Logger
	// Fail is called once if the store can't say whether it has kept what it
	// was given, when everybody has been answered. The hub refuses everything
	// from then on; the process should end and start again from what is on
	// disk. It must not wait for Close. It may be nil.
	Fail func(error)
	// Turn waits until what had come from clients is read, and what outboxes
	// were told to flush is written, but for what waits for its client. A round
	// begins afterwards, and so is large when much comes at once: it makes
	// rounds of all that arrived while the last one was written. nil waits for
	// nothing.
	Turn func()
	Settings
}

// Settings are those Options that may change while the hub runs.
type Settings struct {
	// PrivateHistory keeps private messages. Without it they are only
	// delivered.
	PrivateHistory bool
	// Groups and Privates say which messages are kept, of either kind.
	Groups, Privates Retention
	// Trash is how long a dropped group is kept.
	Trash time.Duration
	// Sessions is how many sessions, of any protocol, one account may have; 0
	// means no bound.
	Sessions int
	// AccountPace and GroupPace are how fast messages of one account, over all
	// of its sessions, and to one group are taken, see [Session.Pace].
	AccountPace, GroupPace Pace
}

// A Hub connects accounts. All of its methods may be called from any goroutine.
//
// mu guards the state; the round's goroutine alone changes groups and
// conversations. Outboxes are appended to under mu, so they must neither wait
// nor call the hub.
type Hub struct {
	store    Store
	log      *slog.Logger
	fail     func(error)
	settings atomic.Pointer[Settings]
	turn     func()
	rounds   queue
	// Who says how much; each has a lock of its own, and is called without mu.
	byAccount, byGroup pacer
	ended              chan struct{} // the last round is over
	kept               chan struct{} // keep has ended
	cancel             context.CancelFunc
	searching          chan struct{} // the place of the Search that runs

	mu       sync.Mutex
	people   map[int64]*person  // accounts that have a session
	byName   map[string]*person // those of them that are told events
	deleted  map[int64]bool     // accounts that were deleted since the start
	admins   map[int64]bool     // what SetAdmin has said since the start
	groups   map[int64]*group
	named    map[string]*group
	joined   map[int64]map[int64]*group // the groups of an account, by their ids
	trash    map[int64]*group           // those that were dropped
	privates map[pair]*conversation
	partners map[int64][]*conversation // the private ones of an account
	showing  map[*Session][]Span       // what Check is reading
	spent    map[int64]*spent          // the tokens of an account
	totals   Totals                    // apart from the rounds, which the queue counts

	// Of the round's goroutine.
	lastMessage, lastConversation int64
	touched                       []*Session // who was told something in this round
	owed                          []owing    // the oldest first

	// Of keep's goroutine.
	swept   bool // no forgotten group has messages
	indexed int  // how many changes there were when Search knew all messages
}

// A Retention says which messages of each conversation are kept; 0 is all.
type Retention struct {
	Age   time.Duration
	Count int64 // the last ones
}

// A conversation is where messages are numbered.
type conversation struct {
	id   int64
	last int64 // the number of the last message that was delivered

	swept  int64     // messages up to this number are deleted, or will be
	oldest time.Time // of the first that is left; zero where it is not known
	undone bool      // of keep's goroutine: some of those to be deleted are still there
}

// A pair names a private conversation: a <= b.
type pair struct{ a, b int64 }

func pairOf(a, b int64) pair { return pair{min(a, b), max(a, b)} }

// A group is a conversation with members.
type group struct {
	conversation
	name    string
	created time.Time
	topic   string
	members members // replaced, never changed
	// What accounts may not do. One that is missing may do all.
	sanctions map[int64]StoredSanction
	passwords int // how often the password was changed since the start
	// readOnly says that plain members may only read in its folder.
	readOnly bool
	// sinceJoined says that members see only what came after they joined.
	sinceJoined bool
	dropped     time.Time
	// heard is what audience returns, nil if that has changed.
	heard []listener
}

// A listener is a member of a group who is told events, and how far it has read
// there.
type listener struct {
	person *person
	at     *reading
}

type members map[int64]StoredMember

// key is the form in which names are looked up. They are ASCII.
func key(name string) string { return strings.ToLower(name) }

// New loads what lasts and starts the rounds. Close ends them.
func New(ctx context.Context, opt Options) (*Hub, error) {
	if opt.Turn == nil {
		opt.Turn = func() {}
	}
	h := &Hub{
		store: opt.Store, log: opt.Log, fail: opt.Fail, turn: opt.Turn,
		ended: make(chan struct{}), kept: make(chan struct{}), searching: make(chan struct{}, 1),
		people: map[int64]*person{}, byName: map[string]*person{},
		deleted: map[int64]bool{}, admins: map[int64]bool{},
		groups: map[int64]*group{}, named: map[string]*group{}, joined: map[int64]map[int64]*group{},
		trash:    map[int64]*group{},
		privates: map[pair]*conversation{}, partners: map[int64][]*conversation{},
		spent: map[int64]*spent{}, showing: map[*Session][]Span{},
		indexed: -mostBehind, // what an earlier run has left is not known
	}
	h.rounds.init()
	h.Configure(opt.Settings)
	groups, err := h.store.Groups(ctx)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		if g.Dropped.IsZero() {
			h.addGroup(loadGroup(g))
		} else {
			h.trash[g.ID] = loadGroup(g)
		}
	}
	privates, err := h.store.Privates(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range privates {
		h.addPrivate(pair{p.A, p.B}, &conversation{id: p.ID, last: p.Last, swept: p.Swept})
	}
	tokens, err := h.store.Tokens(ctx, time.Now().Add(-tokenTime))
	if err != nil {
		return nil, err
	}
	for _, t := range tokens {
		h.spend(t)
	}
	if h.lastMessage, h.lastConversation, err = h.store.LastIDs(ctx); err != nil {
		return nil, err
	}
	ctx = context.WithoutCancel(ctx)
	go h.run(ctx)
	ctx, h.cancel = context.WithCancel(ctx)
	go h.keep(ctx)
	return h, nil
}

// Configure changes the settings.
func (h *Hub) Configure(s Settings) {
	h.settings.Store(&s)
	h.byAccount.set(s.AccountPace)
	h.byGroup.set(s.GroupPace)
}

// Close takes no further changes, waits until those that were handed in are
// done, and keeps the read positions of whoever is still connected.
func (h *Hub) Close() {
	h.rounds.close()
	<-h.ended
	h.cancel()
	<-h.kept
	ctx, cancel := context.WithTimeout(context.Background(), saveTime)
	defer cancel()
	h.savePositions(ctx)
}

func newGroup(id int64, name string, created time.Time) *group {
	return &group{
		conversation: conversation{id: id}, name: name, created: created,
		members: members{}, sanctions: map[int64]StoredSanction{},
	}
}

func loadGroup(stored StoredGroup) *group {
	g := newGroup(stored.ID, stored.Name, stored.Created)
	g.last, g.swept, g.topic = stored.Last, stored.Swept, stored.Topic
	g.readOnly, g.sinceJoined = stored.ReadOnly, stored.SinceJoined
	g.dropped = stored.Dropped
	for _, m := range stored.Members {
		g.members[m.Account.ID] = m
	}
	for _, s := range stored.Sanctions {
		g.sanctions[s.Account.ID] = s
	}
	return g
}

func (h *Hub) addGroup(g *group) {
	h.groups[g.id] = g
	h.named[key(g.name)] = g
	for id := range g.members {
		h.enter(id, g)
	}
}

// enter notes that an account has become a member of a group, and exit that it
// is none any more.
func (h *Hub) enter(account int64, g *group) {
	if h.joined[account] == nil {
		h.joined[account] = map[int64]*group{}
	}
	h.joined[account][g.id] = g
	g.heard = nil
}

func (h *Hub) exit(account int64, g *group) {
	delete(h.joined[account], g.id)
	if len(h.joined[account]) == 0 {
		delete(h.joined, account)
	}
	g.heard = nil
}

// audience returns the members of a group that are told events. To look for them
// at each message would be a good part of its cost.
func (h *Hub) audience(g *group) []listener {
	if g.heard == nil {
		g.heard = []listener{}
		for id := range g.members {
			if p := h.people[id]; p != nil && p.listening > 0 {
				g.heard = append(g.heard, listener{p, p.reading(g.id)})
			}
		}
	}
	return g.heard
}

// attend notes that an account has begun or ceased to be told events.
func (h *Hub) attend(account int64) {
	for _, g := range h.joined[account] {
		g.heard = nil
	}
}

func (h *Hub) addPrivate(p pair, c *conversation) {
	h.privates[p] = c
	h.partners[p.a] = append(h.partners[p.a], c)
	if p.a != p.b {
		h.partners[p.b] = append(h.partners[p.b], c)
	}
}

// SetAdmin tells the sessions of an account whether it may broadcast: those that
// are there, and those whose login is under way and read it before.
func (h *Hub) SetAdmin(account int64, admin bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.admins[account] = admin
	if p := h.people[account]; p != nil {
		p.account.Admin = admin
	}
}

// End ends the sessions of an account, except one that may be nil.
func (h *Hub) End(account int64, except *Session, why Reason) {
	h.mu.Lock()
	var ending []*Session
	if p := h.people[account]; p != nil {
		for _, s := range p.sessions {
			if s != except {
				ending = append(ending, s)
			}
		}
	}
	h.mu.Unlock()
	for _, s := range ending {
		s.at.End(why)
	}
}
