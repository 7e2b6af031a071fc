package server

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	talkers = 200
	groups  = 10 // of as many of them each
	says    = 4  // messages of each
)

// A talker says what it has to say through connections that break, and writes
// down what it hears. It makes up for what was lost as a client may: some by
// CHECKPAST from the last number that it has, others by CHECK. To the server,
// these have what it sent before their last command, so that they must have read
// it.
type talker struct {
	*house
	name   string
	group  string
	random *rand.Rand
	past   bool
	peer   *peer           // nil while there is no connection
	heard  map[int]string  // by number
	live   map[string]bool // heard on this connection
	bare   map[string]bool // heard without a number, on any connection
	wrong  error           // what it must not hear
}

// note writes down what was said.
func (k *talker) note(number, said string) {
	n, err := strconv.Atoi(number)
	if old, known := k.heard[n]; err != nil || known && old != said {
		k.wrong = errors.Join(k.wrong, fmt.Errorf("%s: number %s is %q, and was %q", k.name, number, said, old))
	}
	k.heard[n] = said
}

// event takes "[GRUP number time] group from text", or "[GRUP] group from text"
// before STAMP.
func (k *talker) event(text string) {
	tag, said, ok := strings.Cut(text, "] "+k.group+" ")
	if !ok {
		return
	}
	if fields := strings.Fields(tag); len(fields) == 3 {
		k.note(fields[1], said)
	} else {
		k.bare[said] = true
	}
	if k.live[said] {
		k.wrong = errors.Join(k.wrong, fmt.Errorf("%s heard %q twice", k.name, text))
	}
	k.live[said] = true
}

// connect makes sure of a connection, which has missed nothing.
func (k *talker) connect() error {
	if k.peer != nil {
		return k.peer.tcp.SetDeadline(time.Now().Add(patience))
	}
	p, err := k.tryDial(&net.Dialer{}, ProtocolChat)
	if err != nil {
		return err
	}
	k.live = map[string]bool{}
	p.Event = k.event
	for _, command := range []string{"LOGIN " + k.name + " rahasia1", "STAMP ON"} {
		if _, err := p.Do(command); err != nil {
			return err
		}
	}
	k.peer = p
	return k.catchUp()
}

// catchUp asks for what was missed. Rows are "number time GRUP group from text".
func (k *talker) catchUp() error {
	for {
		command := "CHECK"
		if k.past {
			last := 0
			for k.heard[last+1] != "" {
				last++
			}
			command = fmt.Sprintf("CHECKPAST %s 100 AFTER %d", k.group, last)
		}
		a, err := k.peer.Do(command)
		if err != nil {
			return err
		}
		for _, row := range a.Rows {
			fields := strings.SplitN(row, " ", 5)
			k.note(fields[0], fields[4])
		}
		if len(a.Rows) == 0 || !k.past {
			return nil
		}
	}
}

// say says a text once, through as many connections as it takes.
func (k *talker) say(token, text string) error {
	for {
		if err := k.connect(); err != nil {
			return err
		}
		commands := "ONCE " + token + "\nSENDGROUP " + k.group + " " + text + "\n"
		switch k.random.IntN(10) {
		case 0: // nothing or a part of it arrives
			part := len(commands)
			if !k.past {
				part = strings.Index(commands, "\n") + 1
			}
			k.peer.Write([]byte(commands[:k.random.IntN(part)]))
			k.peer.cut()
		case 1: // it arrives, perhaps, and its answer doesn't
			k.peer.Write([]byte(commands))
			if !k.past {
				k.peer.Answer() // that of ONCE, behind what came before both
			}
			k.peer.cut()
		case 2: // it arrives, and the client has its answer when the connection breaks
			err := k.answered(commands)
			k.peer.cut()
			k.peer = nil
			return err
		default:
			return k.answered(commands)
		}
		k.peer = nil
	}
}

func (k *talker) answered(commands string) error {
	if _, err := k.peer.Write([]byte(commands)); err != nil {
		return err
	}
	for range 2 {
		if _, err := k.peer.Answer(); err != nil {
			return err
		}
	}
	return nil
}

// Whatever connections break, what many say at once is said once each, in each
// one's order; and all hear all of it, with the same numbers, which have no gap.
func TestModel(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	all := make([]*talker, talkers)
	names := make([]string, talkers)
	for i := range all {
		names[i] = fmt.Sprintf("u%d", i)
		h.user(names[i], "rahasia1")
		all[i] = &talker{
			house: h, name: names[i], group: fmt.Sprintf("g%d", i%groups), random: rand.New(rand.NewPCG(1, uint64(i))),
			past: i/groups%2 == 0, heard: map[int]string{}, bare: map[string]bool{},
		}
	}
	for i := range groups {
		var members []string
		for n := i; n < talkers; n += groups {
			members = append(members, names[n])
		}
		h.group(all[i].group, "kunci", members[0], members[1:]...)
	}
	each := func(do func(*talker) error) {
		t.Helper()
		var working sync.WaitGroup
		failed := make(chan error, talkers)
		for _, k := range all {
			working.Go(func() {
				if err := do(k); err != nil {
					failed <- fmt.Errorf("%s: %w", k.name, err)
				}
			})
		}
		working.Wait()
		close(failed)
		for err := range failed {
			t.Error(err)
		}
		if t.Failed() {
			t.FailNow()
		}
	}
	each((*talker).connect)
	each(func(k *talker) error {
		for i := range says {
			if err := k.say(fmt.Sprint("t", i), fmt.Sprint(i)); err != nil {
				return err
			}
		}
		return k.connect()
	})
	eventually(t, "the server notices which connections are broken", func() bool { return h.clients() == talkers })
	each((*talker).catchUp)

	truth := make([][]string, groups)
	for i, k := range all[:groups] {
		truth[i] = k.truth(t)
	}
	for i, k := range all {
		k.compare(t, truth[i%groups])
	}
}

// compare checks what was heard against the truth.
func (k *talker) compare(t *testing.T, truth []string) {
	t.Helper()
	if k.wrong != nil {
		t.Error(k.wrong)
	}
	for n := range k.heard {
		if n < 1 || n > len(truth) {
			t.Errorf("%s heard number %d of %d", k.name, n, len(truth))
		}
	}
	for i, text := range truth {
		// One's own message is not sent back.
		known := !k.past && (k.bare[text] || strings.HasPrefix(text, k.name+" "))
		if got := k.heard[i+1]; got != text && !(known && got == "") {
			t.Fatalf("%s heard %q for number %d, %q", k.name, got, i+1, text)
		}
	}
}

// truth is what the history says, checked against what was to be said.
func (k *talker) truth(t *testing.T) (all []string) {
	t.Helper()
	t.Helper()
	next := map[string]int{}
	for {
		a, err := k.peer.Do(fmt.Sprintf("CHECKPAST %s 1000 AFTER %d", k.group, len(all)))
		if err != nil {
			t.Fatal(err)
		}
		if len(a.Rows) == 0 {
			break
		}
		for _, row := range a.Rows {
			fields := strings.SplitN(row, " ", 6)
			if number, text := strconv.Itoa(len(all)+1), strconv.Itoa(next[fields[4]]); fields[0] != number || fields[5] != text {
				t.Fatalf("the history says %q, want number %s and %q", row, number, text)
			}
			next[fields[4]]++
			all = append(all, fields[4]+" "+fields[5])
		}
	}
	if len(all) != talkers/groups*says {
		t.Fatalf("in %s %d messages were said, want %d", k.group, len(all), talkers/groups*says)
	}
	return all
}
