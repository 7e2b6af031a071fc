package line

import (
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestCause has connections end in every way that there is.
func TestCause(t *testing.T) {
	tests := []struct {
		name string
		want Cause
		opt  Options
		end  func(h *house, u *user, c *Conn)
	}{
		{"EXIT", Left, Options{}, func(_ *house, u *user, _ *Conn) { u.do("EXIT", "[OK] so long") }},
		{"close", Left, Options{}, func(_ *house, u *user, _ *Conn) { u.nc.Close() }},
		{"no close_notify", Broken, Options{}, func(_ *house, u *user, _ *Conn) { u.raw.Close() }},
		{"reset", Broken, Options{}, func(_ *house, u *user, _ *Conn) { u.raw.SetLinger(0); u.raw.Close() }},
		{"login timeout", NoLogin, Options{LoginTimeout: time.Millisecond}, func(*house, *user, *Conn) {}},
		{"idle", Idle, Options{IdleTimeout: time.Millisecond}, func(_ *house, u *user, _ *Conn) { u.login() }},
		{"idle upload", Idle, Options{IdleTimeout: time.Millisecond}, func(_ *house, u *user, _ *Conn) {
			u.say("LOGIN ani\nPUT name 5\n")
			u.hear("[OK] welcome", "[OK] send")
		}},
		{"overflow", Overflow, Options{Outbox: 5}, func(_ *house, _ *user, c *Conn) { c.Append([]byte("event\n")) }},
		{"HTTP", Refused, Options{}, func(_ *house, u *user, _ *Conn) { u.say("GET / HTTP/1.1\n") }},
		{"too many lines", Refused, Options{MaxLines: 1}, func(_ *house, u *user, _ *Conn) { u.say("\n\n") }},
		{"refused upload", Refused, Options{}, func(_ *house, u *user, _ *Conn) {
			u.do("LOGIN ani", "[OK] welcome", "PUT refused 1", "[ERR] no such thing")
		}},
		{"End", EndedOutside, Options{}, func(_ *house, _ *user, c *Conn) { c.End("") }},
		{"Abort", EndedOutside, Options{}, func(_ *house, _ *user, c *Conn) { c.Abort() }},
		{"Stop", Stopped, Options{}, func(_ *house, _ *user, c *Conn) { c.Stop() }},
		{"end of the grace", Stopped, Options{}, func(h *house, u *user, c *Conn) {
			u.do("LOGIN ani", "[OK] welcome")
			u.say("WAIT\n")
			await(u.t, h.running)
			c.Stop()
			c.Abort()
		}},
		{"panic", Failed, Options{}, func(_ *house, u *user, _ *Conn) { u.say("PANIC\n") }},
		{"in doubt", Failed, Options{}, func(_ *house, u *user, _ *Conn) { u.say("LOSE\n") }},
	}
	tried := []Cause{NoHandshake, Stalled} // below
	for _, tt := range tests {
		tried = append(tried, tt.want)
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse()
			u, c := h.dial(t, h.listen(t, tt.opt))
			tt.end(h, u, c)
			for err := error(nil); err == nil; {
				_, err = u.ReadLine()
			}
			u.nc.Close()
			await(t, h.ended)
			if got := c.Cause(); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
	for _, cause := range Causes() {
		if !slices.Contains(tried, cause) {
			t.Errorf("nothing here ends with %q", cause)
		}
	}
}

// TestCauseOfSilence has clients that read nothing.
func TestCauseOfSilence(t *testing.T) {
	t.Parallel()
	tests := []struct {
		want Cause
		opt  Options
		end  func(client net.Conn, c *Conn)
	}{
		{NoHandshake, Options{TLS: serverTLS()}, func(client net.Conn, _ *Conn) { client.Close() }},
		{NoHandshake, Options{TLS: serverTLS(), HandshakeTimeout: time.Millisecond}, func(net.Conn, *Conn) {}},
		{Stopped, Options{TLS: serverTLS()}, func(_ net.Conn, c *Conn) { c.Stop() }},
		{Stalled, Options{WriteTimeout: time.Millisecond}, func(_ net.Conn, c *Conn) {
			c.Append([]byte("event\n"))
			c.Flush()
		}},
	}
	for _, tt := range tests {
		h := newHouse()
		near, far := net.Pipe()
		c := h.serve(t.Context(), far, tt.opt)
		tt.end(near, c)
		await(t, h.ended)
		near.Close()
		if got := c.Cause(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

// TestCounters moves files both ways, and lines that count for nothing.
func TestCounters(t *testing.T) {
	h, counters := newHouse(), &Counters{}
	u, _ := h.pipe(t, Options{Counters: counters})
	u.login()
	u.do("PUT name 5", "[OK] send")
	u.say("12345")
	u.hear("[OK] stored")
	u.do("TEXT", "[OK] send")
	u.say("..\n12\n.\n")
	u.hear("[OK] stored")
	if n := counters.Received.Load(); n != 10 {
		t.Errorf("%d bytes received, want 10", n)
	}
	u.say("BYTES 300000 300000\n")
	u.hear("[OK] 300000 byte")
	if err := u.ReadData(nowhere{}, 300_000); err != nil {
		t.Fatal(err)
	}
	u.do("ECHO on", "[OK] echo on")
	if n := counters.Sent.Load(); n != 300_000 {
		t.Errorf("%d bytes sent, want 300000", n)
	}
}

type nowhere struct{}

func (nowhere) Write(b []byte) (int, error) { return len(b), nil }

// TestObserve wants the time up to the answer, which here takes a second.
func TestObserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse()
		type seen struct {
			verb string
			took time.Duration
		}
		observed := make(chan seen, 10)
		h.dialect.Observe = func(verb string, took time.Duration) { observed <- seen{verb, took} }
		u, _ := h.pipe(t, Options{})
		u.nc.SetDeadline(time.Time{}) // the clock runs ahead
		go func() {
			time.Sleep(time.Second)
			(<-h.later)(nil)
		}()
		u.say("later\nNONESUCH\n")
		u.hear("[OK] at last", "[ERR] unknown")
		u.do("SAYNO", "[ERR] no", "MINE", "[ERR] malformed mine")
		for _, want := range []seen{{"LATER", time.Second}, {"SAYNO", 0}, {"MINE", 0}} {
			if got := <-observed; got != want {
				t.Errorf("observed %v, want %v", got, want)
			}
		}
		u.do("EXIT", "[OK] so long")
		if got := <-observed; got.verb != "EXIT" {
			t.Errorf("observed %v, want EXIT", got)
		}
	})
}

// TestWaiting has a client take nothing for a minute.
func TestWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse()
		u, c := h.pipe(t, Options{})
		u.nc.SetDeadline(time.Time{})
		c.Append([]byte("event\n"))
		c.Flush()
		time.Sleep(time.Minute)
		if n, unmoved := c.Waiting(); n != 6 || unmoved != time.Minute {
			t.Errorf("%d bytes for %v, want 6 for 1m0s", n, unmoved)
		}
		u.hear("event")
		synctest.Wait()
		if n, unmoved := c.Waiting(); n != 0 || unmoved != 0 {
			t.Errorf("%d bytes for %v, want none", n, unmoved)
		}
		time.Sleep(time.Hour)
		c.Append([]byte("event\n"))
		if n, unmoved := c.Waiting(); n != 6 || unmoved != 0 {
			t.Errorf("%d bytes for %v, want 6 that came just now", n, unmoved)
		}
		c.Flush()
		u.hear("event")
		// What waits behind data has waited since the data began.
		u.say("ROWS 1 1 pause\n")
		<-h.running
		c.Append([]byte("event\n"))
		time.Sleep(time.Hour)
		if n, unmoved := c.Waiting(); n != 6 || unmoved != time.Hour {
			t.Errorf("%d bytes for %v, want 6 for 1h0m0s", n, unmoved)
		}
		close(h.proceed)
		u.hear("[OK] 1 baris", "row 0", "event")
	})
}
