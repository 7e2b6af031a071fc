package hub_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"posko/server/hub"
)

// A memory is a hub.Store that outlives the hubs of a test. It complains of
// records that no database would take.
type memory struct {
	mu        sync.Mutex
	accounts  map[int64]hub.Account // with a name that is taken
	groups    map[int64]*storedGroup
	acts      []hub.RecordAct
	sweeps    int
	talks     map[int64]hub.StoredPrivate
	messages  []hub.Message
	numbered  map[int64][]hub.Message // by conversation, from number 1 on
	positions map[[2]int64]int64      // of account and conversation
	tokens    []hub.StoredToken
	indexed   int // messages
	lastTalk  int64
	rounds    [][]hub.Record // that were committed

	// Called without mu, before the thing is done, if they are set.
	onCommit    func([]hub.Record) error
	onSave      func(positions map[int64]int64)
	onPositions func() error
	onMessages  func() error
	onSweep     func() error
	onSearch    func()
}

type storedGroup struct{ hub.StoredGroup }

func (g *storedGroup) dropped() bool { return !g.Dropped.IsZero() }

// newMemory knows n accounts, named and numbered from u1 on.
func newMemory(n int) *memory {
	m := &memory{
		accounts: map[int64]hub.Account{}, groups: map[int64]*storedGroup{},
		talks: map[int64]hub.StoredPrivate{}, numbered: map[int64][]hub.Message{}, positions: map[[2]int64]int64{},
	}
	for id := range int64(n) {
		a := user(id + 1)
		m.accounts[a.ID] = a
	}
	return m
}

func user(id int64) hub.Account { return hub.Account{ID: id, Name: fmt.Sprintf("u%d", id)} }

func (m *memory) Groups(context.Context) (all []hub.StoredGroup, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, g := range m.groups {
		all = append(all, g.StoredGroup)
		all[len(all)-1].Members = slices.Clone(g.Members)
		all[len(all)-1].Sanctions = slices.Clone(g.Sanctions)
	}
	return all, nil
}

func (m *memory) LastIDs(context.Context) (message, conversation int64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return int64(len(m.messages)), m.lastTalk, nil
}

func (m *memory) Privates(context.Context) ([]hub.StoredPrivate, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Values(m.talks)), nil
}

func (m *memory) AccountByName(_ context.Context, key string) (hub.Account, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range m.accounts {
		if strings.ToLower(a.Name) == key {
			return a, nil
		}
	}
	return hub.Account{}, hub.ErrNoAccount
}

func (m *memory) Tokens(_ context.Context, after time.Time) (all []hub.StoredToken, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range m.tokens {
		if t.Time.After(after) {
			all = append(all, t)
		}
	}
	return all, nil
}

func (m *memory) ForgetTokens(_ context.Context, after time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tokens = slices.DeleteFunc(m.tokens, func(t hub.StoredToken) bool { return !t.Time.After(after) })
	return nil
}

func (m *memory) SweepForgotten(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sweeps++
	return nil
}

// Acts is of no use to the tests, which look at acts itself.
func (m *memory) Acts(context.Context, int64, int) ([]hub.Act, error) { return nil, nil }

func (m *memory) Positions(_ context.Context, account int64) (map[int64]int64, error) {
	m.mu.Lock()
	all := map[int64]int64{}
	for at, number := range m.positions {
		if at[0] == account {
			all[at[1]] = number
		}
	}
	m.mu.Unlock()
	if m.onPositions != nil {
		return all, m.onPositions()
	}
	return all, nil
}

func (m *memory) SavePositions(_ context.Context, account int64, positions map[int64]int64) error {
	if m.onSave != nil {
		m.onSave(positions)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for conversation, number := range positions {
		at := [2]int64{account, conversation}
		if m.takesPart(account, conversation) && number > m.positions[at] {
			m.positions[at] = number
		}
	}
	return nil
}

func (m *memory) takesPart(account, conversation int64) bool {
	if talk, ok := m.talks[conversation]; ok {
		return account == talk.A || account == talk.B
	}
	return m.groups[conversation].find(account) >= 0
}

func (g *storedGroup) find(account int64) int {
	return slices.IndexFunc(g.Members, func(m hub.StoredMember) bool { return m.Account.ID == account })
}

// Commit applies the records one by one. Only the first kind of failure, a name
// that is taken, leaves nothing behind; any other is the test's, too.
func (m *memory) Commit(_ context.Context, records []hub.Record) error {
	if m.onCommit != nil {
		if err := m.onCommit(records); err != nil {
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.taken(records); err != nil {
		return err
	}
	for _, r := range records {
		if err := m.apply(r); err != nil {
			panic(fmt.Sprintf("%T %+v: %v", r, r, err))
		}
	}
	m.rounds = append(m.rounds, records)
	return nil
}

// taken looks for a group whose name an account or a group has at its place.
func (m *memory) taken(records []hub.Record) error {
	names := map[string]string{} // name to who has it
	for id, a := range m.accounts {
		names[strings.ToLower(a.Name)] = fmt.Sprint("account ", id)
	}
	for id, g := range m.groups {
		if !g.dropped() {
			names[strings.ToLower(g.Name)] = fmt.Sprint("group ", id)
		}
	}
	free := func(who string) { maps.DeleteFunc(names, func(_, has string) bool { return has == who }) }
	for _, r := range records {
		switch r := r.(type) {
		case hub.RecordDeleteAccount:
			free(fmt.Sprint("account ", r.Account))
		case hub.RecordDropGroup:
			free(fmt.Sprint("group ", r.Group))
		case hub.RecordGroup:
			name := strings.ToLower(r.Name)
			if names[name] != "" {
				return fmt.Errorf("wrapped: %w", &hub.TakenError{Group: r.ID})
			}
			names[name] = fmt.Sprint("group ", r.ID)
		case hub.RecordRestoreGroup:
			name := strings.ToLower(r.Name)
			if names[name] != "" {
				return &hub.TakenError{Group: r.Group}
			}
			names[name] = fmt.Sprint("group ", r.Group)
		}
	}
	return nil
}

var errOdd = errors.New("not possible at this place")

func (m *memory) apply(record hub.Record) error {
	switch r := record.(type) {
	case hub.RecordMessage:
		return m.message(r)
	case hub.RecordPrivate:
		m.talks[r.ID] = hub.StoredPrivate{ID: r.ID, A: r.A, B: r.B}
		return m.conversation(r.ID)
	case hub.RecordGroup:
		m.groups[r.ID] = &storedGroup{StoredGroup: hub.StoredGroup{ID: r.ID, Name: r.Name, Created: r.Time}}
		return m.conversation(r.ID)
	case hub.RecordJoin:
		return m.join(r)
	case hub.RecordLeave:
		g := m.groups[r.Group]
		i := g.find(r.Account)
		if i < 0 {
			return errOdd
		}
		g.Members = slices.Delete(g.Members, i, i+1)
		delete(m.positions, [2]int64{r.Account, r.Group})
	case hub.RecordSanction:
		g := m.groups[r.Group]
		g.Sanctions = slices.DeleteFunc(g.Sanctions, func(s hub.StoredSanction) bool { return s.Account.ID == r.Account })
		if r.Sanction != 0 {
			g.Sanctions = append(g.Sanctions, hub.StoredSanction{Account: m.accounts[r.Account], Sanction: r.Sanction})
		}
	case hub.RecordGroupPassword:
	case hub.RecordHistory:
		m.groups[r.Group].SinceJoined = r.SinceJoined
	case hub.RecordTopic:
		m.groups[r.Group].Topic = r.Topic
	case hub.RecordAct:
		m.acts = append(m.acts, r)
	case hub.RecordDropGroup:
		if m.groups[r.Group].dropped() {
			return errOdd
		}
		m.groups[r.Group].Dropped = r.Time
	case hub.RecordRestoreGroup:
		if !m.groups[r.Group].dropped() {
			return errOdd
		}
		m.groups[r.Group].Dropped = time.Time{}
	case hub.RecordForgetGroup:
		delete(m.groups, r.Group)
	case hub.RecordToken:
		m.tokens = slices.DeleteFunc(m.tokens, func(t hub.StoredToken) bool {
			return t.Account == r.Account && (t.Token == r.Token || t.Token == r.Forget)
		})
		m.tokens = append(m.tokens, hub.StoredToken{Account: r.Account, Token: r.Token, Time: r.Time})
	case hub.RecordDeleteAccount:
		if _, ok := m.accounts[r.Account]; !ok {
			return errOdd
		}
		delete(m.accounts, r.Account)
		maps.DeleteFunc(m.positions, func(at [2]int64, _ int64) bool { return at[0] == r.Account })
	}
	return nil
}

func (m *memory) conversation(id int64) error {
	if id != m.lastTalk+1 {
		return errOdd
	}
	m.lastTalk = id
	return nil
}

// message demands that neither ids nor numbers have gaps.
func (m *memory) message(r hub.RecordMessage) error {
	last := int64(0)
	said := hub.Message{
		ID: r.ID, Conversation: r.Conversation, Number: r.Number,
		Time: r.Time, Kind: r.Kind, From: m.accounts[r.From], Text: r.Text,
	}
	if talk, ok := m.talks[r.Conversation]; ok {
		last = talk.Last
		talk.Last = r.Number
		m.talks[talk.ID] = talk
		said.To = m.accounts[talk.A+talk.B-r.From].Name
	} else {
		g := m.groups[r.Conversation]
		last = g.Last
		g.Last = r.Number
		said.Group = g.Name
		if g.dropped() || g.find(r.From) < 0 {
			return errOdd
		}
	}
	if r.ID != int64(len(m.messages))+1 || r.Number != last+1 || said.From.ID == 0 {
		return errOdd
	}
	m.messages = append(m.messages, said)
	m.numbered[r.Conversation] = append(m.numbered[r.Conversation], said)
	return nil
}

func (m *memory) join(r hub.RecordJoin) error {
	g := m.groups[r.Group]
	who, alive := m.accounts[r.Account]
	if !alive {
		return errOdd
	}
	if i := g.find(r.Account); i >= 0 {
		g.Members[i].Role = r.Role
		return nil
	}
	if g.dropped() || r.Position != g.Last {
		return errOdd
	}
	g.Members = append(g.Members, hub.StoredMember{Account: who, Role: r.Role, Joined: r.Time, Since: r.Position})
	m.positions[[2]int64{r.Account, r.Group}] = r.Position
	return nil
}

func (m *memory) Newest(_ context.Context, spans []hub.Span, limit int) ([]hub.Span, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	newest := slices.Clone(spans)
	for i := range newest {
		newest[i].After = newest[i].Last
	}
	for _, said := range slices.Backward(m.messages) {
		i := slices.IndexFunc(spans, func(span hub.Span) bool {
			return span.Conversation == said.Conversation && span.After < said.Number && said.Number <= span.Last
		})
		if limit > 0 && i >= 0 {
			newest[i].After--
			limit--
		}
	}
	return newest, nil
}

func (m *memory) Aged(_ context.Context, conversation, after int64, before time.Time, limit int) (int64, time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, said := range m.numbered[conversation][after:] {
		if limit--; limit < 0 {
			return after, time.Time{}, nil
		}
		if !said.Time.Before(before) {
			return after, said.Time, nil
		}
		after = said.Number
	}
	return after, time.Time{}, nil
}

// Sweep deletes one message at a time. Here they stay, without an ID.
func (m *memory) Sweep(_ context.Context, conversation, number int64) (more bool, err error) {
	if m.onSweep != nil {
		if err := m.onSweep(); err != nil {
			return false, err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, said := range m.numbered[conversation][:number] {
		if said.ID > 0 {
			m.numbered[conversation][i].ID = 0
			return true, nil
		}
	}
	return false, nil
}

// Search finds nothing that Index has not seen.
func (m *memory) Search(_ context.Context, spans []hub.Span, words []string, limit int) ([]hub.Message, error) {
	if m.onSearch != nil {
		m.onSearch()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []hub.Message
	for _, said := range m.messages[:m.indexed] {
		in := slices.ContainsFunc(spans, func(span hub.Span) bool {
			return span.Conversation == said.Conversation && span.After < said.Number && said.Number <= span.Last
		})
		for _, word := range words {
			in = in && slices.Contains(strings.Fields(said.Text), word)
		}
		if in {
			found = append(found, said)
		}
	}
	return found[max(0, len(found)-limit):], nil
}

func (m *memory) Index(context.Context) (more bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.indexed < len(m.messages) {
		m.indexed++
	}
	return m.indexed < len(m.messages), nil
}

func (m *memory) Messages(_ context.Context, spans []hub.Span, limit int) ([]hub.Message, error) {
	if m.onMessages != nil {
		if err := m.onMessages(); err != nil {
			return nil, err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []hub.Message
	for _, span := range spans {
		for _, said := range m.numbered[span.Conversation][span.After:span.Last] {
			if said.ID > 0 {
				all = append(all, said)
			}
		}
	}
	slices.SortFunc(all, func(a, b hub.Message) int { return cmp.Compare(a.ID, b.ID) })
	return all[:min(limit, len(all))], nil
}

// commits is how many rounds were committed.
func (m *memory) commits() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.rounds)
}

// An unreadable store fails at one of the things that New loads.
type unreadable struct {
	*memory
	at  int
	err error
}

func (u *unreadable) failure(at int) error {
	if at == u.at {
		return u.err
	}
	return nil
}

func (u *unreadable) Groups(context.Context) ([]hub.StoredGroup, error) { return nil, u.failure(0) }

func (u *unreadable) Privates(context.Context) ([]hub.StoredPrivate, error) { return nil, u.failure(1) }

func (u *unreadable) Tokens(context.Context, time.Time) ([]hub.StoredToken, error) {
	return nil, u.failure(3)
}

func (u *unreadable) LastIDs(context.Context) (int64, int64, error) { return 0, 0, u.failure(2) }
