package server

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"posko/server/line"
)

// A listener collects the events of a member, and may be asked how many came.
type listener struct {
	*peer
	heard atomic.Int64
	lines []string
	err   error
	ended chan struct{}
}

// listen reads until want events have come, or the connection ends.
func listen(p *peer, want int64) *listener {
	l := &listener{peer: p, ended: make(chan struct{})}
	go func() {
		defer close(l.ended)
		for l.heard.Load() < want {
			text, err := l.ReadLine()
			if err != nil {
				l.err = err
				return
			}
			l.lines = append(l.lines, text)
			l.heard.Add(1)
		}
	}()
	return l
}

// Who doesn't read what a group says loses its connection. The others, and who
// speaks, notice nothing.
func TestStuckReader(t *testing.T) {
	for name, set := range map[string]func(l *Limits){
		"outbox": func(l *Limits) { l.Outbox, l.WriteTimeout = 256<<10, 0 },
		"write timeout": func(l *Limits) {
			l.Outbox, l.WriteTimeout = 0, Duration(time.Second)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const members, batch = 50, 32
			cfg := testConfig()
			set(&cfg.Limits)
			h := newHouse(t, cfg)
			names := h.crowd(members)
			stuck := h.loginBy(narrow, ProtocolChat, names[1], "rahasia1")
			var readers []*listener
			for _, name := range names[2:] {
				readers = append(readers, listen(h.login(ProtocolChat, name, "rahasia1"), 1<<40))
			}
			sender := h.login(ProtocolChat, names[0], "rahasia1")

			// The sender goes on as soon as the readers have got all so far, so
			// that these are never behind by more than a batch. What it says to
			// the stuck one alone fills that one's sockets.
			alone := "SEND " + names[1] + " " + strings.Repeat("x", 8000) + "\n"
			said := 0
			began := time.Now()
			for h.clients() == members {
				if time.Since(began) > patience {
					t.Fatal("the stuck reader is still connected")
				}
				var commands strings.Builder
				for i := range batch {
					fmt.Fprintf(&commands, "SENDGROUP dapur %d\n%s", said+i, alone)
				}
				go io.WriteString(sender, commands.String())
				for range batch {
					sender.next("[OK] Pesan terkirim")
					if _, err := sender.Answer(); err != nil && err != line.Refusal("penerima tidak tersedia") {
						t.Fatalf("SEND: %v", err)
					}
				}
				said += batch
				eventually(t, "all others have heard it", func() bool {
					for _, r := range readers {
						if r.heard.Load() < int64(said) {
							return false
						}
					}
					return true
				})
			}
			if name == "write timeout" && time.Since(began) < time.Second {
				t.Errorf("the stuck reader was cut off after %v", time.Since(began))
			}
			if rest, err := io.Copy(io.Discard, stuck.tls); err == nil {
				t.Errorf("the stuck reader's connection ended regularly, after %d bytes more", rest)
			}
			if n := h.clients(); n != members-1 {
				t.Errorf("%d connections are left, want %d", n, members-1)
			}
			for _, r := range readers {
				r.Close()
				<-r.ended
				for i, text := range r.lines {
					if want := fmt.Sprintf("[GRUP] dapur u0 %d", i); text != want {
						t.Fatalf("event %d is %.40q", i, text)
					}
				}
			}
		})
	}
}

// crowd makes so many accounts, u0 and on, that are the members of the group
// dapur. The first is its owner.
func (h *house) crowd(members int) []string {
	names := make([]string, members)
	for i := range names {
		names[i] = fmt.Sprintf("u%d", i)
		h.user(names[i], "rahasia1")
	}
	h.group("dapur", "kunci", names[0], names[1:]...)
	return names
}

// One of a thousand members takes nothing: the others hear what is said as soon
// as before, and the stuck one's descriptor is gone soon after the write
// timeout.
func TestStuckAmongMany(t *testing.T) {
	const members, messages = 1000, 30
	cfg := testConfig()
	cfg.Limits.WriteTimeout, cfg.Limits.Outbox, cfg.Limits.PerAddress = Duration(3*time.Second), 0, 0
	h := newHouse(t, cfg)
	names := h.crowd(members)
	sender := h.login(ProtocolChat, names[0], "rahasia1")
	var all atomic.Int64
	heard := make(chan struct{}, 1)
	for _, name := range names[2:] {
		p := h.login(ProtocolChat, name, "rahasia1")
		go func() {
			for {
				if _, err := p.ReadLine(); err != nil {
					return
				}
				if all.Add(1)%(members-2) == 0 {
					heard <- struct{}{}
				}
			}
		}()
	}
	// say has all others hear one message, and returns how long that took.
	say := func() time.Duration {
		began := time.Now()
		sender.ask("SENDGROUP dapur x", "Pesan terkirim")
		select {
		case <-heard:
		case <-time.After(patience):
			t.Fatal("somebody has not heard it")
		}
		return time.Since(began)
	}
	var before, beside time.Duration // of the slowest
	for range messages {
		before = max(before, say())
	}

	stuck := h.loginBy(narrow, ProtocolChat, names[1], "rahasia1")
	for range 500 { // more than its sockets take
		sender.ask("SEND "+names[1]+" "+strings.Repeat("x", 8000), "pesan terkirim")
	}
	filled, open := time.Now(), descriptors(t)
	for range messages {
		beside = max(beside, say())
	}
	if beside > 4*before+250*time.Millisecond {
		t.Errorf("beside a stuck reader a message took up to %v, without it %v", beside, before)
	}
	eventually(t, "the stuck reader is cut off", func() bool { return h.clients() < members })
	eventually(t, "its descriptor is closed", func() bool { return descriptors(t) < open })
	if took := time.Since(filled); took > 10*time.Second {
		t.Errorf("the stuck reader was cut off after %v", took)
	}
	stuck.tls.Close()
}

// descriptors counts those of this process.
func descriptors(t *testing.T) int {
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// Of many who say much at once each gets its answers, each member hears
// everything, and all hear the same order, in which nobody's own is changed.
func TestOrder(t *testing.T) {
	t.Parallel()
	const senders, commands = 20, 500
	cfg := testConfig()
	cfg.Limits.Outbox = 4 << 20 // all of it, so that a slow machine loses nobody
	h := newHouse(t, cfg)
	names := make([]string, senders)
	for i := range names {
		names[i] = fmt.Sprintf("u%d", i)
		h.user(names[i], "rahasia1")
	}
	h.user("ani", "rahasia1")
	h.user("budi", "rahasia1")
	h.group("dapur", "kunci", "ani", append(names, "budi")...)
	var listeners []*listener
	for _, name := range []string{"ani", "budi", "budi"} {
		listeners = append(listeners, listen(h.login(ProtocolChat, name, "rahasia1"), senders*commands))
	}
	peers := make([]*peer, senders)
	for i, name := range names {
		peers[i] = h.login(ProtocolChat, name, "rahasia1")
	}
	failed := make(chan error, 2*senders)
	heard := make([][]string, senders)
	for i, p := range peers {
		go func() {
			var all bytes.Buffer
			for j := range commands {
				fmt.Fprintf(&all, "SENDGROUP dapur %d\n", j)
			}
			_, err := p.Write(all.Bytes())
			failed <- err
		}()
		go func() {
			p.Event = func(text string) { heard[i] = append(heard[i], text) }
			for range commands {
				if a, err := p.Answer(); err != nil || a.Text != "Pesan terkirim" {
					failed <- fmt.Errorf("%s: %q, %w", names[i], a.Text, err)
					return
				}
			}
			for len(heard[i]) < (senders-1)*commands {
				text, err := p.ReadLine()
				if err != nil {
					failed <- err
					return
				}
				heard[i] = append(heard[i], text)
			}
			failed <- nil
		}()
	}
	for range cap(failed) {
		if err := <-failed; err != nil {
			t.Fatal(err)
		}
	}
	for _, l := range listeners {
		<-l.ended
		if l.err != nil {
			t.Fatalf("after %d events: %v", len(l.lines), l.err)
		}
	}
	order := listeners[0].lines
	next := map[string]int{}
	for i, text := range order {
		var from string
		var number int
		if _, err := fmt.Sscanf(text, "[GRUP] dapur %s %d", &from, &number); err != nil || number != next[from] {
			t.Fatalf("event %d is %q, want number %d", i, text, next[from])
		}
		next[from]++
	}
	for _, l := range listeners[1:] {
		if i := differ(l.lines, order); i >= 0 {
			t.Fatalf("members hear another order from event %d on", i)
		}
	}
	for i, name := range names { // a sender doesn't hear itself
		var others []string
		for _, text := range order {
			if !strings.HasPrefix(text, "[GRUP] dapur "+name+" ") {
				others = append(others, text)
			}
		}
		if at := differ(heard[i], others); at >= 0 {
			t.Fatalf("%s hears another order from event %d on", name, at)
		}
	}
	rows := h.login(ProtocolChat, "ani", "rahasia1").ask("CHECKPAST dapur 1000", "1000 baris").Rows
	for i, row := range rows {
		want := strings.TrimPrefix(order[len(order)-len(rows)+i], "[GRUP] dapur ")
		if !strings.HasSuffix(row, " GRUP dapur "+want) {
			t.Fatalf("the history says %q, members heard %q", row, want)
		}
	}
}

// differ returns where two lists differ first, or -1.
func differ(a, b []string) int {
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || a[i] != b[i] {
			return i
		}
	}
	return -1
}
