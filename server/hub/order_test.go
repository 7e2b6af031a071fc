package hub_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"posko/server/hub"
)

// A model is what a crowd of senders saw and did, to be compared with the order
// in which the store got it.
type model struct {
	*world
	clean bool // all connections end cleanly
	clock atomic.Int64

	mu       sync.Mutex
	said     map[string]*said // by text
	visits   []*visit
	answered map[*visit][]string // texts that were answered [OK], in that order

	entries []entry
	mail    map[int64][]hub.Message // those of them that went to an account
}

// A said is a message that was handed in.
type said struct {
	by           *visit
	handed, done int64 // on the clock; done is 0 unless it was answered [OK]
}

// A visit is one session.
type visit struct {
	*client
	from, to int64 // on the clock: it was certainly attached in between
	has      []string
	settled  int // how many lines had come when the first one was done
	checked  []string
	unsure   []string // rows of CHECK that a break would lose
}

const (
	crowd       = 200
	crowdGroups = 5
	crowdDeeds  = 15
)

// TestOrder lets a crowd talk, join, leave, come and go at random.
func TestOrder(t *testing.T) {
	for _, clean := range []bool{true, false} {
		t.Run(fmt.Sprintf("clean=%v", clean), func(t *testing.T) {
			m := &model{
				world: open(t, newMemory(crowd), defaults), clean: clean,
				said: map[string]*said{}, answered: map[*visit][]string{}, mail: map[int64][]hub.Message{},
			}
			for i := range crowdGroups {
				m.group(fmt.Sprint("g", i), int64(i+1))
			}
			var done sync.WaitGroup
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			for id := range int64(crowd) {
				done.Go(func() { m.live(id+1, rand.New(rand.NewPCG(seed, uint64(id)))) })
			}
			done.Wait()
			// Whatever is left is shown to a last session.
			for id := range int64(crowd) {
				v := m.come(id + 1)
				v.read()
				m.goAway(v, true)
			}
			m.compare()
		})
	}
}

// live is what one account does.
func (m *model) live(id int64, r *rand.Rand) {
	var here []*visit
	for deed := range crowdDeeds {
		if len(here) == 0 || r.IntN(10) == 0 {
			here = append(here, m.come(id))
		}
		i := r.IntN(len(here))
		v := here[i]
		group := r.IntN(crowdGroups)
		v.hear()
		v.keep()
		switch r.IntN(12) {
		case 0:
			want(m.t, either(v.join(hub.Entrance{Group: int64(group + 1)}), hub.ErrMember), nil)
		case 1:
			want(m.t, either(m.Leave(fmt.Sprint("g", group), v.who, v.Session), hub.ErrNotMember), nil)
		case 2:
			v.read()
		case 3:
			if !m.clean {
				v.stick()
			}
		case 4:
			m.goAway(v, m.clean || r.IntN(3) == 0)
			here = slices.Delete(here, i, i+1)
		case 5, 6:
			to := user(1 + r.Int64N(crowd)).Name
			m.say(v, deed, func(text string, done func(error)) { v.Send(to, text, "", done) })
		default:
			m.say(v, deed, func(text string, done func(error)) { v.SendGroup(fmt.Sprint("g", group), text, "", done) })
		}
	}
	for _, v := range here {
		m.goAway(v, m.clean)
	}
}

func either(err, allowed error) error {
	if err == allowed {
		return nil
	}
	return err
}

func (m *model) come(id int64) *visit {
	v := &visit{client: m.attach(id), settled: -1}
	v.from = m.clock.Add(1)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.visits = append(m.visits, v)
	return v
}

func (m *model) goAway(v *visit, clean bool) {
	v.to = m.clock.Add(1)
	if clean {
		v.mu.Lock()
		v.stuck = false
		v.mu.Unlock()
	}
	v.Detach(clean)
	if clean {
		v.Flush()
		v.keep()
	}
	for _, line := range v.taken() {
		v.has = append(v.has, textOf(line)...)
	}
}

// keep counts the rows of CHECK as received.
func (v *visit) keep() {
	v.has = append(v.has, v.unsure...)
	v.unsure = nil
}

func (v *visit) read() {
	rows := v.check()
	v.unsure = append(v.unsure, rows...)
	v.checked = append(v.checked, rows...)
	if v.settled < 0 {
		v.mu.Lock()
		v.settled = len(v.lines)
		v.mu.Unlock()
	}
}

// say hands in a burst of messages, and waits for their answers only where the
// other deeds of the session have to.
func (m *model) say(v *visit, deed int, hand func(text string, done func(error))) {
	var answers sync.WaitGroup
	for i := range 3 {
		text := fmt.Sprintf("%s/%08d/%02d/%d", v.who.Name, v.from, deed, i)
		s := &said{by: v, handed: m.clock.Add(1)}
		m.mu.Lock()
		m.said[text] = s
		m.mu.Unlock()
		answers.Add(1)
		hand(text, func(err error) {
			if err == nil {
				m.mu.Lock()
				s.done = m.clock.Add(1)
				m.answered[v] = append(m.answered[v], text)
				m.mu.Unlock()
			} else {
				want(m.t, either(either(err, hub.ErrNotMember), hub.ErrOffline), nil)
			}
			answers.Done()
		})
	}
	answers.Wait()
}

// textOf is the text of a message's line, if it is one.
func textOf(line string) []string {
	if words := strings.Fields(line); len(words) == 5 {
		return words[4:]
	}
	return nil
}

// compare holds what was seen against the store.
func (m *model) compare() {
	m.replay()
	m.order()
	for _, v := range m.visits {
		m.delivered(v)
	}
	m.nothingMissed()
	if m.clean {
		m.nothingRepeated()
	}
}

// order: each sender's messages are stored in the order of its answers, all of
// them.
func (m *model) order() {
	stored := map[*visit][]string{}
	for _, msg := range m.store.messages {
		v := m.said[msg.Text].by
		stored[v] = append(stored[v], msg.Text)
	}
	for _, v := range m.visits {
		if got := m.answered[v]; !slices.Equal(stored[v], got) || !slices.IsSorted(got) {
			m.t.Errorf("%s: stored %q, answered %q", v.who.Name, stored[v], got)
		}
	}
}

// An entry is a message at its place, with those to whom it goes.
type entry struct {
	hub.Message
	to map[int64]bool
}

// replay finds who was a member at each message's place.
func (m *model) replay() {
	members := map[int64]map[int64]bool{}
	for _, round := range m.store.rounds {
		for _, r := range round {
			switch r := r.(type) {
			case hub.RecordGroup:
				members[r.ID] = map[int64]bool{}
			case hub.RecordPrivate:
				members[r.ID] = map[int64]bool{r.A: true, r.B: true}
			case hub.RecordJoin:
				members[r.Group][r.Account] = true
			case hub.RecordLeave:
				delete(members[r.Group], r.Account)
			case hub.RecordMessage:
				to := map[int64]bool{}
				for id := range members[r.Conversation] {
					to[id] = true
				}
				e := entry{m.store.messages[r.ID-1], to}
				m.entries = append(m.entries, e)
				for id := range to {
					m.mail[id] = append(m.mail[id], e.Message)
				}
			}
		}
	}
}

// delivered: a session got what was said while it was there, in the one order,
// once, and nothing else.
func (m *model) delivered(v *visit) {
	var live []string
	for _, line := range v.lines {
		live = append(live, textOf(line)...)
	}
	rest := live
	for _, msg := range m.mail[v.who.ID] {
		s := m.said[msg.Text]
		echo := s.by == v && msg.From.Name != msg.To
		got := len(rest) > 0 && rest[0] == msg.Text
		if got {
			rest = rest[1:]
		}
		switch {
		case got && echo:
			m.t.Errorf("%s was told %s by itself", v.who.Name, msg.Text)
		case !got && !echo && v.from < s.handed && s.done < v.to:
			m.t.Errorf("%s was not told %s", v.who.Name, msg.Text)
		}
	}
	if len(rest) > 0 {
		m.t.Errorf("%s was told %q, which is not for it, or twice, or not in the order of all", v.who.Name, rest)
	}
}

// nothingMissed: every message to an account has reached a client of it, unless
// the account has left the group since, or wrote it.
func (m *model) nothingMissed() {
	has := map[int64]map[string]bool{}
	for _, v := range m.visits {
		if has[v.who.ID] == nil {
			has[v.who.ID] = map[string]bool{}
		}
		for _, text := range v.has {
			has[v.who.ID][text] = true
		}
	}
	left := map[[2]int64]int64{} // account and group to the last message's ID
	last := int64(0)
	for _, round := range m.store.rounds {
		for _, r := range round {
			switch r := r.(type) {
			case hub.RecordMessage:
				last = r.ID
			case hub.RecordLeave:
				left[[2]int64{r.Account, r.Group}] = last
			}
		}
	}
	for _, e := range m.entries {
		for id := range e.to {
			if id != e.From.ID && e.ID > left[[2]int64{id, e.Conversation}] && !has[id][e.Text] {
				m.t.Errorf("u%d has missed %s", id, e.Text)
			}
		}
	}
}

// nothingRepeated: CHECK shows nothing twice, nor what has come to a session
// after its first CHECK.
func (m *model) nothingRepeated() {
	seen := map[[2]string]bool{}
	for _, v := range m.visits {
		for _, text := range v.checked {
			at := [2]string{v.who.Name, text}
			if seen[at] {
				m.t.Errorf("CHECK has shown %s %s twice", v.who.Name, text)
			}
			seen[at] = true
		}
	}
	for _, v := range m.visits {
		if v.settled < 0 {
			continue
		}
		for _, line := range v.lines[v.settled:] {
			for _, text := range textOf(line) {
				if seen[[2]string{v.who.Name, text}] {
					m.t.Errorf("CHECK has shown %s %s, which it was told", v.who.Name, text)
				}
			}
		}
	}
}
