package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// textLength is that of every message.
const textLength = 64

// behind is how many messages of a group may be under way.
const behind = 4096

// A scene is the clients that a chat server is filled with.
type scene struct {
	groups, members int
	stuck           int  // members of each group, its last ones, who never read
	private         bool // groups of two who talk to each other alone
}

// A hall is a chat server with the clients of a scene. It counts every delivery
// and checks that each member gets each message of each sender once, in order.
type hall struct {
	scene
	*server
	groups    []*group
	again     atomic.Bool  // whether a message that all have lets another go
	underWay  atomic.Int64 // messages not yet delivered to all
	sent      atomic.Int64 // messages
	delivered atomic.Int64
	latency   atomic.Pointer[histogram] // of the deliveries
	failed    chan error                // the first failure
	readers   sync.WaitGroup
}

// A group is some of the clients, who talk to each other.
type group struct {
	name    string
	members []*client

	mu      sync.Mutex // held while messages are numbered and written
	senders int
	sent    int   // messages of the group
	numbers []int // messages of each member
	slots   [behind]slot
}

// A slot is a message under way.
type slot struct {
	left atomic.Int32 // deliveries
	at   atomic.Int64 // when it was sent, in ns since began
}

var began = time.Now()

// fill starts a server and connects the clients of sc.
func (b *bench) fill(ctx context.Context, cs chatServer, sc scene) (_ *hall, err error) {
	dir, err := b.dir(cs.disk)
	if err != nil {
		return nil, err
	}
	h := &hall{scene: sc, failed: make(chan error, 1)}
	if h.server, err = cs.start(ctx, dir); err != nil {
		return nil, err
	}
	for i := range sc.groups {
		h.groups = append(h.groups, &group{
			name:    fmt.Sprintf("g%d", i),
			members: make([]*client, sc.members),
			numbers: make([]int, sc.members),
		})
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", cs.name, err)
			h.close()
		}
	}()
	err = each(sc.groups*sc.members, cs.logins, func(i int) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		receive := 0
		if i%sc.members >= sc.members-sc.stuck {
			receive = 4 << 10
		}
		c, err := dial(ctx, h.addr, cs.speech, userName(i), true, receive)
		h.groups[i/sc.members].members[i%sc.members] = c
		return err
	})
	if err != nil {
		return h, err
	}
	err = each(sc.groups, 16, func(n int) error {
		g := h.groups[n]
		for i, c := range g.members {
			if err := ctx.Err(); err != nil {
				return err
			}
			if !sc.private {
				if err := c.do(c.join(g.name, i == 0)); err != nil {
					return err
				}
			}
			if i < sc.members-sc.stuck {
				h.readers.Go(func() { h.read(n, i) })
			}
		}
		return nil
	})
	return h, err
}

func userName(i int) string { return fmt.Sprintf("u%d", i) }

// close ends the connections and the server.
func (h *hall) close() {
	h.again.Store(false)
	for _, g := range h.groups {
		for _, c := range g.members {
			if c != nil {
				c.Close()
			}
		}
	}
	h.readers.Wait()
	h.stop()
}

func (h *hall) fail(err error) {
	select {
	case h.failed <- err:
	default:
	}
}

// send sends k messages, each from the next of the group's senders and each in
// a TLS record of its own.
func (h *hall) send(n, k int) {
	g := h.groups[n]
	g.mu.Lock()
	defer g.mu.Unlock()
	for ; k > 0; k-- {
		from := g.sent % g.senders
		g.sent++
		g.numbers[from]++
		slot := &g.slots[g.sent%behind]
		if !slot.left.CompareAndSwap(0, int32(h.members-h.stuck-1)) {
			h.fail(fmt.Errorf("the server is %d messages of a group behind", behind))
			return
		}
		slot.at.Store(int64(time.Since(began)))
		text := compose(g.sent, from, g.numbers[from])
		c := g.members[from]
		var line string
		if h.private {
			line = c.toUser(userName(n*h.members+1-from), text)
		} else {
			line = c.toGroup(g.name, text)
		}
		h.underWay.Add(1)
		h.sent.Add(1)
		if _, err := io.WriteString(c, line+"\r\n"); err != nil {
			h.fail(err)
			return
		}
	}
}

// compose returns the text of the group's message number n, which is number own
// of member from.
func compose(n, from, own int) string {
	return fmt.Sprintf("%010d %06d %010d %035d", n, from, own, 0)
}

// parse takes apart what compose made.
func parse(text []byte) (n, from, own int, err error) {
	if len(text) != textLength {
		return 0, 0, 0, errors.New("not a message of this load")
	}
	n, err = strconv.Atoi(string(text[:10]))
	if err != nil {
		return 0, 0, 0, err
	}
	if from, err = strconv.Atoi(string(text[11:17])); err != nil {
		return 0, 0, 0, err
	}
	own, err = strconv.Atoi(string(text[18:28]))
	return n, from, own, err
}

// read takes what comes to member me of group n until the connection is closed.
// What completes a message lets the next one go.
func (h *hall) read(n, me int) {
	g := h.groups[n]
	c := g.members[me]
	last := make([]int, h.members) // of each sender
	var delivered, completed int
	var now int64 // when the last bytes came
	for {
		if c.r.Buffered() == 0 {
			h.delivered.Add(int64(delivered))
			h.underWay.Add(int64(-completed))
			if completed > 0 && h.again.Load() {
				h.send(n, completed)
			}
			delivered, completed, now = 0, 0, 0
		}
		line, err := c.r.ReadSlice('\n')
		if now == 0 {
			now = int64(time.Since(began))
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			h.fail(fmt.Errorf("member %d of %s: %w", me, g.name, err))
			return
		}
		switch c.kind(line) {
		case message:
			line = bytes.TrimRight(line, "\r\n")
			number, from, own, err := parse(line[max(len(line)-textLength, 0):])
			if err != nil || own != last[from]+1 {
				h.fail(fmt.Errorf("member %d of %s was sent %.80q after number %d of that sender", me, g.name, line, last[from]))
				return
			}
			last[from] = own
			slot := &g.slots[number%behind]
			h.latency.Load().add(time.Duration(now - slot.at.Load()))
			delivered++
			if slot.left.Add(-1) == 0 {
				completed++
			}
		case refusal:
			h.fail(fmt.Errorf("member %d of %s was told %.80q", me, g.name, line))
			return
		}
	}
}
