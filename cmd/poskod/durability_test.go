package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"posko/server/line"
)

const (
	rounds    = 20
	senders   = 3 // each in a connection of its own
	uploaders = 2
	names     = 3 // of files, which each uploader replaces again and again
)

// A ledger is what one connection has sent and been acknowledged, over all
// rounds.
type ledger struct {
	sent, acked []string       // messages, in their order
	given       int            // versions of files, acknowledged or not
	stored      map[string]int // the last acknowledged version by file
}

// TestDurability kills the daemon at random moments while several connections
// talk, upload and read. After each restart everything that was acknowledged is
// there, whole and in order, and nothing is there twice or in part; and CHECK
// misses nothing.
func TestDurability(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "[chat]\nrate = 0\n")
	for _, name := range []string{"ani", "budi"} {
		h.user(name)
	}
	h.must("kunci\n", "group", "add", "dapur", "--owner", "ani", "--stdin")
	random := rand.New(rand.NewPCG(1, 2))
	ledgers := make([]*ledger, senders+1+uploaders)
	for i := range ledgers {
		ledgers[i] = &ledger{stored: map[string]int{}}
	}
	budi := newReader("budi")
	h.serve()
	p := must(h.chat(h.address("chat"), "budi"))(t)
	must(p.Do("JOIN dapur kunci"))(t)
	p.Close()
	for range rounds {
		h.verify(ledgers)
		h.disturb(ledgers, budi, 1+random.IntN(60))
		h.serve()
	}
	h.verify(ledgers)
	budi.settled(h)
	if n := len(ledgers[0].acked); n < rounds {
		t.Errorf("only %d messages of the first sender were acknowledged: this has tested little", n)
	}
}

// disturb has every connection work, and kills the daemon as soon as so many
// acknowledgements have come.
func (h *house) disturb(ledgers []*ledger, budi *reader, enough int) {
	h.t.Helper()
	chat, files := h.address("chat"), h.address("files")
	reads := budi.random.IntN(2) == 0
	listener := budi.connect(h, reads) // whom the private messages are for
	defer listener.Close()
	var acked atomic.Int64
	kill := sync.OnceFunc(func() { h.daemon.Process.Kill() })
	acknowledged := func() {
		if acked.Add(1) >= int64(enough) {
			kill()
		}
	}
	var peers []*peer
	for i := range ledgers {
		if i <= senders {
			peers = append(peers, must(h.chat(chat, "ani"))(h.t))
		} else {
			peers = append(peers, must(h.files(files, "ani"))(h.t))
		}
	}
	var working sync.WaitGroup
	if reads {
		working.Go(func() { budi.read(h.t, listener) })
	}
	for i, l := range ledgers {
		work := l.talk
		if i > senders {
			work = l.upload
		}
		working.Go(func() {
			defer peers[i].Close()
			if err := work(i, peers[i], acknowledged); err != nil {
				h.t.Error(err)
			}
		})
	}
	working.Wait()
	h.kill()
}

// verb is how the i-th ledger's messages begin.
func verb(i int) string {
	if i == senders {
		return "SEND budi "
	}
	return "SENDGROUP dapur "
}

// window is how many messages a sender has under way.
const window = 4

// talk sends numbered messages until the connection breaks, at first those again
// that were not acknowledged on an earlier one.
func (l *ledger) talk(i int, p *peer, acknowledged func()) error {
	for {
		for len(l.sent) < len(l.acked)+window {
			l.sent = append(l.sent, fmt.Sprintf("%d-%d", i, len(l.sent)))
		}
		first := len(l.acked)
		var batch []string
		for _, text := range l.sent[first:] {
			batch = append(batch, "ONCE "+text, verb(i)+text)
		}
		if p.Send(strings.Join(batch, "\n")) != nil {
			return nil
		}
		for n := range l.sent[first:] {
			_, err := p.Answer()
			if err == nil {
				_, err = p.Answer()
			}
			if _, refused := errors.AsType[line.Refusal](err); refused {
				return err
			}
			if err != nil {
				return nil
			}
			l.acked = append(l.acked, l.sent[first+n])
			acknowledged()
		}
	}
}

// content is a version of a file: some kilobytes that say which one it is.
func content(name string, version int) []byte {
	head := []byte(name + " " + strconv.Itoa(version) + "\n")
	sum := sha256.Sum256(head)
	return append(head, bytes.Repeat(sum[:], 1+int(sum[0])*16)...)
}

// upload replaces files until the connection breaks.
func (l *ledger) upload(i int, p *peer, acknowledged func()) error {
	for {
		name := fmt.Sprintf("%d-%d", i, l.given%names)
		version := l.given
		l.given++
		data := content(name, version)
		for _, command := range []string{"ALLO " + strconv.Itoa(len(data)), "PUT " + name} {
			if _, err := p.Do(command); err != nil {
				return refusalOf(err)
			}
		}
		if _, err := p.Write(data); err != nil {
			return nil
		}
		if _, err := p.Answer(); err != nil {
			return refusalOf(err)
		}
		l.stored[name] = version
		acknowledged()
	}
}

// refusalOf is err if the server has said no, and nil if it was killed.
func refusalOf(err error) error {
	if _, refused := errors.AsType[line.Refusal](err); refused {
		return err
	}
	return nil
}

// verify compares what is there with what was acknowledged.
func (h *house) verify(ledgers []*ledger) {
	h.t.Helper()
	p := must(h.chat(h.address("chat"), "ani"))(h.t)
	defer p.Close()
	there := map[int][]string{}
	for _, where := range []string{"dapur", "budi"} {
		for _, text := range h.history(p, where) {
			sender, _, _ := strings.Cut(text, "-")
			i := must(strconv.Atoi(sender))(h.t)
			there[i] = append(there[i], text)
		}
	}
	for i, l := range ledgers[:senders+1] {
		// Everything that is there was sent, once, in this order and without a
		// gap, however often it was repeated; and all that was acknowledged is
		// there.
		if !slices.Equal(there[i], l.sent[:min(len(there[i]), len(l.sent))]) {
			h.t.Errorf("sender %d: there are %q, which is not what was sent in its order", i, there[i])
		}
		if !subsequence(l.acked, there[i]) {
			h.t.Errorf("sender %d: acknowledged %q, but there are %q", i, l.acked, there[i])
		}
	}
	files := must(h.files(h.address("files"), "ani"))(h.t)
	defer files.Close()
	present := map[string][]byte{}
	for _, row := range must(files.Do("LIST"))(h.t).Rows {
		if strings.HasPrefix(row, "d ") { // where the group's folder is
			continue
		}
		name := row[strings.LastIndexByte(row, ' ')+1:]
		var data bytes.Buffer
		a := must(files.Do("GET " + name))(h.t)
		if err := files.ReadData(&data, a.Bytes); err != nil {
			h.t.Fatal(err)
		}
		present[name] = data.Bytes()
	}
	for i, l := range ledgers[senders+1:] {
		for n := range names {
			name := fmt.Sprintf("%d-%d", senders+1+i, n)
			h.whole(l, name, present[name])
			delete(present, name)
		}
	}
	if len(present) > 0 {
		h.t.Errorf("files that nobody has stored: %d", len(present))
	}
}

// whole checks that a file is one version of it, no older than the one that was
// acknowledged last.
func (h *house) whole(l *ledger, name string, data []byte) {
	h.t.Helper()
	last, acked := l.stored[name]
	if data == nil {
		if acked {
			h.t.Errorf("file %s: version %d was acknowledged and is gone", name, last)
		}
		return
	}
	head, _, _ := strings.Cut(string(data), "\n")
	_, number, _ := strings.Cut(head, " ")
	version, err := strconv.Atoi(number)
	switch {
	case err != nil, !bytes.Equal(data, content(name, version)):
		h.t.Errorf("file %s is not whole: %d bytes that begin with %q", name, len(data), head)
	case acked && version < last, version >= l.given:
		h.t.Errorf("file %s is of version %d, acknowledged was %d", name, version, last)
	}
}

// history reads a conversation from its beginning.
func (h *house) history(p *peer, name string) (texts []string) {
	h.t.Helper()
	for number := 0; ; {
		rows := must(p.Do(fmt.Sprintf("CHECKPAST %s 1000 AFTER %d", name, number)))(h.t).Rows
		if len(rows) == 0 {
			return texts
		}
		for _, row := range rows { // number time MSG from to text
			fields := strings.SplitN(row, " ", 6)
			next := must(strconv.Atoi(fields[0]))(h.t)
			if next != number+1 {
				h.t.Errorf("%s: number %d follows %d", name, next, number)
			}
			number = next
			texts = append(texts, fields[5])
		}
	}
}

// subsequence tells whether all of part comes in all, in the same order.
func subsequence(part, all []string) bool {
	for _, text := range part {
		i := slices.Index(all, text)
		if i < 0 {
			return false
		}
		all = all[i+1:]
	}
	return true
}
