package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"
)

// chatScenes are the loads with their goals.
func chatScenes() []struct {
	scene
	settings []string // of posko
	loads    []load
} {
	return []struct {
		scene
		settings []string
		loads    []load
	}{
		{scene{groups: 1, members: 100}, nil, []load{
			{name: "group of 100, one sender, 64 messages under way", senders: 1, underWay: 64, goal: atLeast(5)},
			{name: "the same, 8 under way", senders: 1, underWay: 8, goal: atLeast(1.5)},
			{name: "the same, 1 under way", senders: 1, underWay: 1, goal: atLeast(0.9)},
			{name: "group of 100, all sending, 64 under way", senders: 100, underWay: 64, goal: atLeast(2), p99: 10 * time.Millisecond},
			{name: "group of 100, all sending, 100 messages a second", senders: 100, rate: 100},
		}},
		{scene{groups: 1, members: 100, stuck: 1}, nil, []load{
			{name: "the same, 1 member not reading", senders: 99, rate: 100},
		}},
		{scene{groups: 1, members: 1000}, nil, []load{
			{name: "group of 1,000, 16 under way", senders: 1, underWay: 16, goal: atLeast(3)},
			{name: "group of 1,000, all sending, 20 messages a second", senders: 1000, rate: 20},
		}},
		{scene{groups: 1, members: 1000, stuck: 10}, nil, []load{
			{name: "the same, 10 members not reading", senders: 990, rate: 20},
		}},
		{scene{groups: 100, members: 10}, nil, []load{
			{name: "1,000 clients in groups of ten, one of each sending, 200 under way", senders: 1, underWay: 200, goal: atLeast(1.3), p99: 20 * time.Millisecond},
			{name: "groups of ten, all sending, 200 under way", senders: 10, underWay: 200, goal: atLeast(1.3), p99: 20 * time.Millisecond},
			{name: "groups of ten, one of each sending, 2,000 messages a second", senders: 1, rate: 2000, goal: atLeast(0.75)},
			{name: "groups of ten, all sending, 2,000 messages a second", senders: 10, rate: 2000, goal: atLeast(0.75)},
		}},
		{scene{groups: 100, members: 2, private: true}, []string{"chat.private_history = false"}, []load{
			{name: "private messages, 100 pairs, without history", senders: 2, underWay: 100, goal: atLeast(0.75)},
		}},
		{scene{groups: 100, members: 2, private: true}, nil, []load{
			{name: "the same, with history", senders: 2, underWay: 100},
		}},
	}
}

// chat measures the chat servers under all loads.
func (b *bench) chat(ctx context.Context) error {
	cost := [][]string{{"server CPU for a delivery, in µs"}}
	speed := [][]string{{"deliveries a second; p99 from sending to delivery"}}
	for _, cs := range b.chatServers() {
		cost[0] = append(cost[0], cs.name)
		speed[0] = append(speed[0], cs.name)
	}
	cost[0] = append(cost[0], "best peer ÷ posko", "goal", "")
	speed[0] = append(speed[0], "p99 goal", "")
	for _, sc := range chatScenes() {
		sc.loads = slices.DeleteFunc(sc.loads, func(l load) bool { return !b.only.MatchString(l.name) })
		if len(sc.loads) == 0 {
			continue
		}
		all, err := b.measureScene(ctx, b.chatServers(sc.settings...), sc.scene, sc.loads)
		if err != nil {
			return err
		}
		for i, l := range sc.loads {
			costs, speeds := []string{l.name}, []string{l.name}
			for _, s := range all[i] {
				costs = append(costs, number(s.cost))
				speeds = append(speeds, fmt.Sprintf("%.0f; %s ms", s.rate, number(s.p99)))
			}
			ratio := best(all[i][2].cost, all[i][3].cost) / all[i][0].cost
			cost = append(cost, append(costs, number(ratio), l.goal.String(), l.goal.verdict(ratio)))
			p99 := goal{l.p99.Seconds() * 1e3, true}
			speed = append(speed, append(speeds, p99.String(), p99.verdict(all[i][0].p99)))
		}
	}
	printTable(os.Stdout, cost)
	printTable(os.Stdout, speed)
	return nil
}

// measureScene fills the servers and returns, for each load and server, the
// medians of alternated windows.
func (b *bench) measureScene(ctx context.Context, servers []chatServer, sc scene, loads []load) ([][]sample, error) {
	var halls []*hall
	defer func() {
		for _, h := range halls {
			h.close()
		}
	}()
	for _, cs := range servers {
		b.say("%s: %d clients", cs.name, sc.groups*sc.members)
		h, err := b.fill(ctx, cs, sc)
		if err != nil {
			return nil, err
		}
		halls = append(halls, h)
	}
	medians := make([][]sample, len(loads))
	for i, l := range loads {
		cost, rate, p99 := make([][]float64, len(halls)), make([][]float64, len(halls)), make([][]float64, len(halls))
		for round := range b.rounds {
			for j, h := range halls {
				measured := func(f func() error) error { return f() }
				if j == 0 && round == 0 {
					measured = func(f func() error) error { return b.profiled(h.server, fmt.Sprintf("chat, %s", l.name), f) }
				}
				s, err := h.run(ctx, l, b.span/5, b.span, measured)
				if err != nil {
					return nil, fmt.Errorf("%s, %s: %w", servers[j].name, l.name, err)
				}
				b.say("%s, %s: %s µs, %.0f/s, p99 %s ms", l.name, servers[j].name, number(s.cost), s.rate, number(s.p99))
				cost[j], rate[j], p99[j] = append(cost[j], s.cost), append(rate[j], s.rate), append(p99[j], s.p99)
			}
		}
		for j := range halls {
			medians[i] = append(medians[i], sample{median(cost[j]), median(rate[j]), median(p99[j])})
		}
	}
	return medians, nil
}
