package hub

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"time"
)

// A GroupInfo is what may be shown of a group.
type GroupInfo struct {
	ID      int64
	Name    string
	Created time.Time
	Topic   string
	Members int
	Last    int64 // the number of its last message
	Unread  int64 // by the account that asks
}

func (g *group) info() GroupInfo {
	return GroupInfo{ID: g.id, Name: g.name, Created: g.created, Topic: g.topic, Members: len(g.members), Last: g.last}
}

// byNames orders without regard to letter case.
func byNames(a, b string) int { return cmp.Compare(key(a), key(b)) }

// Group finds a group by its name, or returns ErrNoGroup.
func (h *Hub) Group(name string) (GroupInfo, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	g := h.named[key(name)]
	if g == nil {
		return GroupInfo{}, ErrNoGroup
	}
	return g.info(), nil
}

// Groups lists all groups by name.
func (h *Hub) Groups() []GroupInfo {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]GroupInfo, 0, len(h.groups))
	for _, g := range h.groups {
		all = append(all, g.info())
	}
	slices.SortFunc(all, func(a, b GroupInfo) int { return byNames(a.Name, b.Name) })
	return all
}

// Sanctions lists the accounts that may not do everything in a group, by name,
// or returns ErrNoGroup.
func (h *Hub) Sanctions(name string) ([]StoredSanction, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	g := h.named[key(name)]
	if g == nil {
		return nil, ErrNoGroup
	}
	return slices.SortedFunc(maps.Values(g.sanctions), func(a, b StoredSanction) int {
		return byNames(a.Account.Name, b.Account.Name)
	}), nil
}

// Acts returns the last acts in a group, at most limit, the newest first. The
// store may have forgotten older ones.
func (h *Hub) Acts(ctx context.Context, group int64, limit int) ([]Act, error) {
	return h.store.Acts(ctx, group, limit)
}

// Members lists the members of a group, by name, or returns ErrNoGroup.
func (h *Hub) Members(name string) ([]Membership, error) {
	return h.membersOf(func() (*group, error) {
		if g := h.named[key(name)]; g != nil {
			return g, nil
		}
		return nil, ErrNoGroup
	})
}

// Members lists the members of a group that the session's account belongs to,
// by name. It returns ErrNoGroup or ErrNotMember.
func (s *Session) Members(name string) ([]Membership, error) {
	return s.hub.membersOf(func() (*group, error) { return s.member(name) })
}

// membersOf lists the members of the group that find returns. As in Online they
// are sorted without mu: all deliveries would wait while a crowd is.
func (h *Hub) membersOf(find func() (*group, error)) ([]Membership, error) {
	h.mu.Lock()
	g, err := find()
	if err != nil {
		h.mu.Unlock()
		return nil, err
	}
	all := make([]Membership, 0, len(g.members))
	for id, m := range g.members {
		all = append(all, Membership{m.Account, m.Role, m.Joined, h.online(id)})
	}
	h.mu.Unlock()
	slices.SortFunc(all, func(a, b Membership) int { return byNames(a.Account.Name, b.Account.Name) })
	return all, nil
}

// online says whether an account can be told something. mu is held.
func (h *Hub) online(account int64) bool {
	p := h.people[account]
	return p != nil && p.listening > 0
}

// Online lists the names of the accounts that can be told something.
func (h *Hub) Online() []string {
	h.mu.Lock()
	names := make([]string, 0, len(h.byName))
	for _, p := range h.byName {
		names = append(names, p.account.Name)
	}
	h.mu.Unlock()
	slices.SortFunc(names, byNames)
	return names
}

// member finds a group that the session's account belongs to. It returns
// ErrNoGroup or ErrNotMember. mu is held.
func (s *Session) member(name string) (*group, error) {
	g := s.hub.named[key(name)]
	if g == nil {
		return nil, ErrNoGroup
	}
	if _, ok := g.members[s.at.Account.ID]; !ok {
		return nil, ErrNotMember
	}
	return g, nil
}

// Joinable finds a group that the session's account may join. It returns
// ErrNoGroup, ErrMember or, for who is banned, ErrDenied.
func (s *Session) Joinable(group string) (Entrance, error) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	g, who := s.hub.named[key(group)], s.at.Account.ID
	if g == nil {
		return Entrance{}, ErrNoGroup
	}
	if _, ok := g.members[who]; ok {
		return Entrance{}, ErrMember
	}
	if g.sanctions[who].Sanction&Banned != 0 {
		return Entrance{}, ErrDenied
	}
	return Entrance{g.id, g.passwords}, nil
}

// Groups lists the groups that the session's account belongs to, by name.
func (s *Session) Groups() []GroupInfo {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	var all []GroupInfo
	for _, g := range s.hub.joined[s.at.Account.ID] {
		info := g.info()
		info.Unread = s.unreadOf(&g.conversation)
		all = append(all, info)
	}
	slices.SortFunc(all, func(a, b GroupInfo) int { return byNames(a.Name, b.Name) })
	return all
}

// Check gives the messages that the account's sessions have not been sent yet,
// oldest first over all conversations, and counts them as sent to this one. They
// are read from the store while they are taken.
func (s *Session) Check(ctx context.Context) (n int, messages iter.Seq2[Message, error]) {
	spans, positions := s.unread()
	s.hub.save(ctx, s.at.Account.ID, positions)
	return s.show(ctx, spans)
}

// showPage is how many messages are read from the store at a time. They are in
// memory for as long as the client takes to read them.
const showPage = 50

// show gives the messages of the spans, which showing must hold already, oldest
// first. It reads them from the store while they are taken.
func (s *Session) show(ctx context.Context, spans []Span) (n int, messages iter.Seq2[Message, error]) {
	for _, span := range spans {
		n += int(span.Last - span.After)
	}
	return n, func(yield func(Message, error) bool) {
		defer s.shown()
		rest := slices.Clone(spans)
		for left := n; left > 0; {
			page, err := s.hub.store.Messages(ctx, rest, min(left, showPage))
			if err == nil && len(page) == 0 {
				err = errMissing
			}
			if err != nil {
				yield(Message{}, err)
				return
			}
			for _, m := range page {
				if !yield(m, nil) {
					return
				}
			}
			left -= len(page)
			rest = behind(rest, page)
		}
	}
}

// behind is what is left of the spans behind a page of their first messages: in
// a conversation these are the first ones, too.
func behind(spans []Span, page []Message) []Span {
	last := map[int64]int64{}
	for _, m := range page {
		last[m.Conversation] = m.Number
	}
	for i, span := range spans {
		spans[i].After = max(span.After, last[span.Conversation])
	}
	return slices.DeleteFunc(spans, func(span Span) bool { return span.After == span.Last })
}

var errMissing = errors.New("hub: messages are missing from the store")

// unread returns what was not sent to the account's sessions, and counts it as
// sent to this one; and the read positions that are not stored yet.
func (s *Session) unread() ([]Span, map[int64]int64) {
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	var spans []Span
	for c := range s.conversations() {
		n := s.unreadOf(c)
		if n == 0 {
			continue
		}
		spans = append(spans, Span{c.id, c.last - n, c.last})
		r := s.person.reading(c.id)
		if r.read < c.swept { // or what follows would wait for what is gone
			r.read, r.dirty = c.swept, true
		}
		r.sentTo(s, c.last-n, c.last, 0)
	}
	h.showing[s] = spans
	return spans, s.person.changed()
}

// Unread is how many messages Check would give.
func (s *Session) Unread() (n int64) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	for c := range s.conversations() {
		n += s.unreadOf(c)
	}
	return n
}

// unreadOf is how many of them are of a conversation. mu is held.
func (s *Session) unreadOf(c *conversation) int64 {
	top := c.swept
	if r := s.person.readings[c.id]; r != nil {
		top = max(top, r.top())
	}
	return c.last - top
}

// shown says that what was to be shown has been read from the store.
func (s *Session) shown() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	delete(s.hub.showing, s)
}

// conversations are those that the session's account takes part in. mu is held.
func (s *Session) conversations() iter.Seq[*conversation] {
	return func(yield func(*conversation) bool) {
		for _, g := range s.hub.joined[s.at.Account.ID] {
			if !yield(&g.conversation) {
				return
			}
		}
		for _, c := range s.hub.partners[s.at.Account.ID] {
			if !yield(c) {
				return
			}
		}
	}
}

// Past gives one page of the history of a group that the account belongs to, or
// of its conversation with another account; without a name, the last messages of
// all its conversations. They are read from the store while they are taken. It
// returns ErrNoGroup if nothing has that name, or ErrNotMember.
func (s *Session) Past(ctx context.Context, name string, page Page) (n int, messages iter.Seq2[Message, error], err error) {
	var spans []Span
	if name == "" {
		spans, err = s.hub.store.Newest(ctx, s.readableAll(), page.Limit)
	} else {
		var span Span // empty, if two accounts have never talked
		span, err = s.readableBy(ctx, name)
		spans = []Span{page.of(span)}
	}
	if err != nil {
		return 0, nil, err
	}
	s.keep(spans)
	n, messages = s.show(ctx, spans)
	return n, messages, nil
}

// of is the part of a span that the page shows: in a conversation no number is
// missing.
func (p Page) of(span Span) Span {
	switch limit := int64(p.Limit); p.Side {
	case After:
		span.After = max(span.After, min(p.Number, span.Last))
		span.Last = min(span.Last, span.After+limit)
	case Before:
		span.Last = max(span.After, min(p.Number-1, span.Last))
		fallthrough
	default:
		span.After = max(span.After, span.Last-limit)
	}
	return span
}

// keep has nothing of the spans swept until it is shown, and leaves out what has
// been just now.
func (s *Session) keep(spans []Span) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	swept := map[int64]int64{}
	for c := range s.conversations() {
		swept[c.id] = c.swept
	}
	for i, span := range spans {
		spans[i].After = min(span.Last, max(span.After, swept[span.Conversation]))
	}
	s.hub.showing[s] = spans
}

// readable is what the session's account may read of a conversation that it
// takes part in. mu is held.
func (s *Session) readable(c *conversation) Span {
	span := Span{c.id, c.swept, c.last}
	if g := s.hub.groups[c.id]; g != nil && g.sinceJoined {
		span.After = max(span.After, g.members[s.at.Account.ID].Since)
	}
	return span
}

// readableAll is what the account may read of all its conversations.
func (s *Session) readableAll() []Span {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	var spans []Span
	for c := range s.conversations() {
		if c.last > 0 {
			spans = append(spans, s.readable(c))
		}
	}
	return spans
}

// readableBy is what the account may read of the conversation that a name stands
// for; the zero Span if two accounts have never talked. Whether it is a member
// and since when is one question: who is put out in between would see all.
func (s *Session) readableBy(ctx context.Context, name string) (Span, error) {
	h := s.hub
	h.mu.Lock()
	g, err := s.member(name)
	if err == nil {
		defer h.mu.Unlock()
		return s.readable(&g.conversation), nil
	}
	h.mu.Unlock()
	if !errors.Is(err, ErrNoGroup) {
		return Span{}, err
	}
	other, err := h.store.AccountByName(ctx, key(name))
	if errors.Is(err, ErrNoAccount) {
		return Span{}, ErrNoGroup
	}
	if err != nil {
		return Span{}, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if c := h.privates[pairOf(s.at.Account.ID, other.ID)]; c != nil {
		return s.readable(c), nil
	}
	return Span{}, nil
}
