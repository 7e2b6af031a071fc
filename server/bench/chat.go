package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// A speech is a chat protocol, as far as the load needs it.
type speech interface {
	// login is what a new connection says; first is set where the account may
	// have to be made.
	login(user string, first bool) []step
	// join makes the user a member of a group, which the first one makes.
	join(group string, first bool) step
	toGroup(group, text string) string
	toUser(user, text string) string
	kind(line []byte) kind
}

// A step is a line that is sent, and what the line that answers it has in it.
type step struct{ send, answer string }

// A kind is what the load makes of a line.
type kind int

const (
	other   kind = iota
	message      // delivers a message, whose text ends the line
	refusal
)

// A chatServer is one of those that are compared.
type chatServer struct {
	name  string
	start func(ctx context.Context, dir string) (*server, error)
	speech
	logins int  // at once: InspIRCd lets those who wait in once a second, ngircd has a short queue
	disk   bool // keeps its state on a disk
}

// chatServers returns posko in its variants, the goals' own first, and its
// peers. The
// settings are posko's.
func (b *bench) chatServers(settings ...string) []chatServer {
	start := func(ctx context.Context, dir string) (*server, error) {
		s, _, err := b.startPosko(ctx, dir, append(cheapPasswords, settings...)...)
		return s, err
	}
	return []chatServer{
		{name: "posko", start: start, speech: posko{}, logins: 64},
		{name: "posko, disk", start: start, speech: posko{}, logins: 64, disk: true},
		{name: "InspIRCd", start: b.startInspircd, speech: irc{}, logins: 256},
		{name: "ngircd", start: b.startNgircd, speech: irc{}, logins: 8},
	}
}

// A client is a connection of the load.
type client struct {
	*tls.Conn
	r *bufio.Reader
	speech
}

// dial connects and logs in. Both ends have to agree on TLS 1.3 with
// AES-128-GCM and X25519. A receive buffer of 0 bytes is the system's own.
func dial(ctx context.Context, addr string, sp speech, user string, first bool, receive int) (*client, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if receive > 0 {
		if err := nc.(*net.TCPConn).SetReadBuffer(receive); err != nil {
			nc.Close()
			return nil, err
		}
	}
	tc, err := secure(ctx, nc)
	if err != nil {
		nc.Close()
		return nil, err
	}
	c := &client{Conn: tc, r: bufio.NewReaderSize(tc, 16<<10), speech: sp}
	for _, s := range sp.login(user, first) {
		if err := c.do(s); err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}

// secure speaks TLS over nc, as all that are compared do.
func secure(ctx context.Context, nc net.Conn) (*tls.Conn, error) {
	tc := tls.Client(nc, &tls.Config{
		InsecureSkipVerify: true, // the servers' certificates are made for the run
		MinVersion:         tls.VersionTLS13,
		CurvePreferences:   []tls.CurveID{tls.X25519},
	})
	if err := tc.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	if suite := tc.ConnectionState().CipherSuite; suite != tls.TLS_AES_128_GCM_SHA256 {
		return nil, fmt.Errorf("the server chose %s", tls.CipherSuiteName(suite))
	}
	return tc, nil
}

// do takes one step, and lets events pass.
func (c *client) do(s step) error {
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	if _, err := c.Write([]byte(s.send + "\r\n")); err != nil {
		return err
	}
	for {
		line, err := c.r.ReadSlice('\n')
		for errors.Is(err, bufio.ErrBufferFull) { // a long list of members
			line, err = c.r.ReadSlice('\n')
		}
		switch {
		case err != nil:
			return fmt.Errorf("after %.40q: %w", s.send, err)
		case bytes.HasPrefix(line, []byte("PING ")):
			if _, err := fmt.Fprintf(c, "PONG %s", line[len("PING "):]); err != nil {
				return err
			}
		case strings.Contains(string(line), s.answer):
			return c.SetDeadline(time.Time{})
		case c.kind(line) == refusal:
			return fmt.Errorf("after %.40q: %.80q", s.send, line)
		}
	}
}

// each runs f for 0 to n-1, a few at once, and returns the first error.
func each(n, parallel int, f func(i int) error) error {
	var wg sync.WaitGroup
	turns := make(chan int)
	failed := make(chan error, parallel)
	for range parallel {
		wg.Go(func() {
			for i := range turns {
				if err := f(i); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	var err error
	for i := 0; i < n && err == nil; i++ {
		select {
		case turns <- i:
		case err = <-failed:
		}
	}
	close(turns)
	wg.Wait()
	select {
	case late := <-failed:
		err = errors.Join(err, late)
	default:
	}
	return err
}
