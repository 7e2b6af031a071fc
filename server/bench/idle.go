package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

// idle measures the memory of sessions that are logged in and silent, and
// whether it comes back when they leave.
func (b *bench) idle(ctx context.Context) error {
	counts, settle, leave := []int{1000, 5000, 10_000}, 5*time.Second, 3*time.Minute
	if b.quick {
		counts, settle, leave = counts[:1], time.Second, 10*time.Second
	}
	head := []string{"RSS", "empty, in MiB"}
	for _, n := range counts {
		head = append(head, fmt.Sprintf("%d sessions, KiB each", n))
	}
	table := [][]string{append(head, "after they left, in MiB", "goal", "")}
	var posko, peers []float64 // of each session, at the most of them
	servers := b.chatServers()
	for i, cs := range append(servers[:1], servers[2:]...) {
		row, each, err := b.idleRow(ctx, cs, counts, settle, leave)
		if err != nil {
			return fmt.Errorf("%s: %w", cs.name, err)
		}
		if i == 0 {
			posko = append(posko, each)
		} else {
			peers = append(peers, each)
		}
		table = append(table, row)
	}
	bound := goal{min(9, best(peers...)), true}
	table[1] = append(table[1], bound.String(), bound.verdict(posko[0]))
	for i := range table[2:] {
		table[2+i] = append(table[2+i], "", "")
	}
	printTable(os.Stdout, table)
	return nil
}

// idleRow measures one server. It returns the KiB of each session too, with all
// of them connected.
func (b *bench) idleRow(ctx context.Context, cs chatServer, counts []int, settle, leave time.Duration) ([]string, float64, error) {
	dir, err := b.dir(cs.disk)
	if err != nil {
		return nil, 0, err
	}
	s, err := cs.start(ctx, dir)
	if err != nil {
		return nil, 0, err
	}
	defer s.stop()
	if err := visit(ctx, s, cs.speech, counts[len(counts)-1], true); err != nil {
		return nil, 0, err
	}
	time.Sleep(settle)
	empty := s.memory()
	row := []string{cs.name, number(float64(empty) / (1 << 20))}
	clients := make([]*client, counts[len(counts)-1])
	defer func() {
		for _, c := range clients {
			if c != nil {
				c.Close()
			}
		}
	}()
	connected, kib := 0, 0.0
	for _, n := range counts {
		b.say("%s: %d sessions", cs.name, n)
		err := each(n-connected, cs.logins, func(i int) (err error) {
			clients[connected+i], err = dial(ctx, s.addr, cs.speech, userName(connected+i), true, 0)
			return err
		})
		if err != nil {
			return nil, 0, err
		}
		connected = n
		time.Sleep(settle)
		kib = float64(s.memory()-empty) / 1024 / float64(n)
		row = append(row, number(kib))
	}
	for _, c := range clients {
		if err := c.Close(); err != nil {
			return nil, 0, err
		}
	}
	start, least := time.Now(), s.memory()
	for least > empty+empty/4 && time.Since(start) < leave && ctx.Err() == nil {
		time.Sleep(time.Second)
		least = min(least, s.memory())
	}
	after := fmt.Sprintf("%s after %.0f s", number(float64(least)/(1<<20)), time.Since(start).Seconds())
	return append(row, after), kib, ctx.Err()
}
