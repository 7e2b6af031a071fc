package main

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"time"
)

// logins measures full handshakes with a login.
func (b *bench) logins(ctx context.Context) error {
	const name = "TLS handshake and login"
	if !b.only.MatchString(name) {
		return nil
	}
	servers := b.chatServers()
	servers[1] = servers[0]
	servers[1].name = "posko, hashing passwords as by default"
	servers[1].start = func(ctx context.Context, dir string) (*server, error) {
		s, _, err := b.startPosko(ctx, dir)
		return s, err
	}
	// Who comes again has left long ago; few are enough where each hash is dear.
	accounts := []int{1024, 64, 1024, 1024}
	var running []*server
	defer func() {
		for _, s := range running {
			s.stop()
		}
	}()
	for i, cs := range servers {
		dir, err := b.dir(cs.disk)
		if err != nil {
			return err
		}
		s, err := cs.start(ctx, dir)
		if err != nil {
			return err
		}
		running = append(running, s)
		err = each(accounts[i], cs.logins, func(i int) error { return visit(ctx, s, cs.speech, i, true) })
		if err != nil {
			return fmt.Errorf("%s: %w", cs.name, err)
		}
	}
	costs := make([][]float64, len(servers))
	for range b.rounds {
		for i, cs := range servers {
			var visits atomic.Int64
			start, cpu := time.Now(), running[i].cpu()
			err := each(cs.logins, cs.logins, func(int) error {
				for time.Since(start) < b.span {
					if err := visit(ctx, running[i], cs.speech, int(visits.Add(1))%accounts[i], false); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return fmt.Errorf("%s: %w", cs.name, err)
			}
			cpu = running[i].cpu() - cpu
			costs[i] = append(costs[i], cpu.Seconds()*1e6/float64(visits.Load()))
		}
	}
	table := [][]string{{name, "server CPU, in µs", "logins for each second of it"}}
	for i, cs := range servers {
		cost := median(costs[i])
		table = append(table, []string{cs.name, number(cost), number(1e6 / cost)})
	}
	printTable(os.Stdout, table)
	return nil
}

// visit connects, logs in and leaves.
func visit(ctx context.Context, s *server, sp speech, i int, first bool) error {
	c, err := dial(ctx, s.addr, sp, userName(i), first, 0)
	if err != nil {
		return err
	}
	return c.Close()
}
