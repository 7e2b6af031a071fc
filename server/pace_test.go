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
