package server

import (
	"fmt"
	"testing"
	"time"
)

// TestPace has an account say more than its pace allows, over two connections.
// Nothing is lost or refused, all comes in order, and others notice nothing.
func TestPace(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.Chat.Burst, cfg.Chat.Rate = 3, 10
	h := newHouse(t, cfg)
	h.user("ani", "rahasia1")
	h.user("budi", "rahasia1")
	h.group("dapur", "kunci", "ani", "budi")
	one, two := h.login(ProtocolChat, "ani", "rahasia1"), h.login(ProtocolChat, "ani", "rahasia1")
	budi := h.login(ProtocolChat, "budi", "rahasia1")
	began := time.Now()
	for i := range 3 {
		one.ask(fmt.Sprintf("SENDGROUP dapur %d", i), "Pesan terkirim")
		budi.next(fmt.Sprintf("[GRUP] dapur ani %d", i))
	}
	if err := one.Send("SENDGROUP dapur 3\nSEND budi 4\nPING"); err != nil {
		t.Fatal(err)
	}
	budi.ask("SENDGROUP dapur hai", "Pesan terkirim") // while ani waits
	one.next("[GRUP] dapur budi hai")
	for _, want := range []string{"[OK] Pesan terkirim", "[OK] pesan terkirim", "[OK] PONG"} {
		one.next(want)
	}
	budi.next("[GRUP] dapur ani 3")
	budi.next("[MSG] ani 4")
	two.ask("SENDGROUP dapur 5", "Pesan terkirim")
	budi.next("[GRUP] dapur ani 5")
	if took := time.Since(began); took < 300*time.Millisecond {
		t.Errorf("three messages beyond the burst came after %v", took)
	}
	h.change(func(c *Config) { c.Chat.Rate = 0 })
	for range 100 {
		one.ask("SENDGROUP dapur lagi", "Pesan terkirim")
	}
}

// What the members of a group are told of takes its time as messages do; what
// only shows something doesn't.
func TestPaceOfActs(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.Chat.Burst, cfg.Chat.Rate = 1, 20
	h := newHouse(t, cfg)
	h.user("ani", "rahasia1")
	h.user("budi", "rahasia1")
	h.group("dapur", "kunci", "ani", "budi")
	ani := h.login(ProtocolChat, "ani", "rahasia1")
	began := time.Now()
	for i, act := range []string{
		"CREATEGROUP kebun kunci", "LEAVE kebun", "JOIN kebun kunci", "DROPGROUP kebun", "TOPIC dapur sup",
		"OP dapur budi", "DEOP dapur budi", "MUTE dapur budi", "UNMUTE dapur budi", "KICK dapur budi", "BAN dapur budi",
		"UNBAN dapur budi", "GROUPPASS dapur lain", "READONLY dapur ON", "HISTORY dapur JOINED",
	} {
		if _, err := ani.Do(act); err != nil {
			t.Errorf("%s: %v", act, err)
		}
		if took, least := time.Since(began), time.Duration(i)*50*time.Millisecond; took < least {
			t.Errorf("%s came after %v, want %v at least", act, took, least)
		}
	}
	began = time.Now()
	for range 20 {
		ani.Do("TOPIC dapur")
	}
	if took := time.Since(began); took >= 20*50*time.Millisecond {
		t.Errorf("to be shown the topic twenty times took %v", took)
	}
}
