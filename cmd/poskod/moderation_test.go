package main

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
)

// TestModerationDurability kills the daemon while a group is being run. What was
// acknowledged last, or something that was sent after it, holds afterwards.
func TestModerationDurability(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	for _, name := range []string{"ani", "budi", "citra", "dodi"} {
		h.user(name)
	}
	h.must("kunci\n", "group", "add", "dapur", "--owner", "ani", "--stdin")
	for round := range 3 {
		h.serve()
		p := must(h.chat(h.address("chat"), "ani"))(t)
		budi := must(h.chat(h.address("chat"), "budi"))(t)
		if round == 0 {
			must(budi.Do("JOIN dapur kunci"))(t)
		}
		password := fmt.Sprint("kunci", round)
		verb := map[bool]string{true: "", false: "UN"}[round%2 == 0]
		role := map[bool]string{true: "OP", false: "DEOP"}[round%2 == 0]
		for _, command := range []string{
			"TOPIC dapur " + strconv.Itoa(round), verb + "BAN dapur citra", verb + "MUTE dapur budi",
			role + " dapur budi", "GROUPPASS dapur " + password,
		} {
			must(p.Do(command))(t)
		}
		h.kill()
		p.Close()
		budi.Close()

		h.serve()
		p = must(h.chat(h.address("chat"), "ani"))(t)
		if rows := must(p.Do("TOPIC dapur"))(t).Rows; len(rows) != 1 || rows[0] != strconv.Itoa(round) {
			t.Errorf("round %d: the topic is %q", round, rows)
		}
		shown := map[string]string{"OP": "budi operator offline", "DEOP": "budi member offline"}[role]
		if rows := must(p.Do("MEMBERS dapur"))(t).Rows; !slices.Contains(rows, shown) {
			t.Errorf("round %d: after %s the members are %q", round, role, rows)
		}
		budi = must(h.chat(h.address("chat"), "budi"))(t)
		if _, err := budi.Do("SENDGROUP dapur halo"); (err == nil) != (verb == "UN") {
			t.Errorf("round %d: after %sMUTE: %v", round, verb, err)
		}
		citra := must(h.chat(h.address("chat"), "citra"))(t)
		if _, err := citra.Do("JOIN dapur " + password); (err == nil) != (verb == "UN") {
			t.Errorf("round %d: after %sBAN: %v", round, verb, err)
		}
		for _, c := range []*peer{p, budi, citra} {
			c.Close()
		}
		h.kill()
	}
}
