package line

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestPlaces has an event come for a connection that is gone, whose descriptor
// another one has by now.
func TestPlaces(t *testing.T) {
	h := newHouse()
	addr := h.listen(t, Options{})
	gone, old := h.dial(t, addr)
	gone.do("EXIT", "[OK] so long")
	gone.nc.Close()
	await(t, h.ended)
	u, c := h.dial(t, addr)
	u.login()
	if old.place == 0 {
		return // the second run, which has no lot
	}
	parked(t, c)
	c.opt.Lot.wake([]unix.EpollEvent{{Events: unix.EPOLLIN, Fd: int32(old.place)}})
	c.mu.Lock()
	if !c.parked {
		t.Error("an event of another connection woke it")
	}
	c.mu.Unlock()
	c.opt.Lot.mu.Lock()
	defer c.opt.Lot.mu.Unlock()
	if len(c.opt.Lot.conns) != 1 {
		t.Errorf("the lot holds %d connections", len(c.opt.Lot.conns))
	}
}
