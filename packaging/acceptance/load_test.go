//go:build acceptance

package acceptance

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// The account that the clients use.
const (
	account  = "ani"
	password = "rahasia123"
)

// loadClients connect at the same time. Every second one logs in; the others
// only ping, since hashing a password is meant to be slow.
const loadClients = 16

// tally counts what happened to the connections of the load.
type tally struct {
	OK         int           // connected, got an answer to every line
	Goodbyes   int           // connected, then the server said that it stops
	Cut        int           // connected, then ended without a word
	Refused    int           // not connected
	Handshakes int           // broken off
	Slowest    time.Duration // of those, from connecting to leaving
	Errors     []string      // the first of each kind that should not be
}

func (s tally) String() string {
	return fmt.Sprintf("%d ok, %d goodbyes, %d cut, %d refused, %d broken handshakes, slowest %v",
		s.OK, s.Goodbyes, s.Cut, s.Refused, s.Handshakes, s.Slowest.Round(time.Millisecond))
}

// underLoad does what do does while clients come and go and one sits there. It
// checks that each of them got through the door, and that who was connected
// when the daemon stopped, as it does at least stops times, was told.
func (c *container) underLoad(t *testing.T, stops int, do func()) {
	t.Helper()
	cmd := c.inNetwork(roleLoad, c.path(authority))
	stop, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	clients := startProcess(t, cmd)
	lines := bufio.NewScanner(out)
	if !lines.Scan() { // the first client got through
		t.Fatal("the load did not start")
	}
	do()
	stop.Close()
	lines.Scan()
	var got tally
	if err := json.Unmarshal(lines.Bytes(), &got); err != nil {
		t.Fatalf("%v: %q", err, lines.Bytes())
	}
	<-clients.done
	t.Logf("load: %v", got)
	if got.Refused+got.Handshakes+got.Cut != 0 || got.OK == 0 || got.Goodbyes < stops {
		t.Errorf("load: %q", got.Errors)
	}
}

// load is the program in the container's network: it prints a line when the
// first client has been served, and its tally when its input ends.
func load(authority string) {
	pem, err := os.ReadFile(authority)
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	config := &tls.Config{RootCAs: roots, ServerName: "localhost"}

	ctx, cancel := context.WithCancel(context.Background())
	var mu sync.Mutex
	var total tally
	var first sync.Once
	var wg sync.WaitGroup
	client := func(visit func(*tls.Conn, *bufio.Reader, *tally) error) {
		for ctx.Err() == nil {
			start := time.Now()
			var one tally
			if err := connect(config, &one, visit); err != nil {
				one.Errors = []string{err.Error()}
			}
			mu.Lock()
			total.add(one, time.Since(start))
			mu.Unlock()
			if one.OK == 1 {
				first.Do(func() { fmt.Println("served") })
			}
		}
	}
	for i := range loadClients {
		lines := []string{"PING", "EXIT"}
		if i%2 == 0 {
			lines = []string{login, "PING", "EXIT"}
		}
		wg.Go(func() {
			client(func(conn *tls.Conn, replies *bufio.Reader, one *tally) error {
				return talk(conn, replies, lines, one)
			})
		})
	}
	wg.Go(func() {
		client(func(conn *tls.Conn, replies *bufio.Reader, one *tally) error {
			return sit(ctx, conn, replies, one)
		})
	})
	io.Copy(io.Discard, os.Stdin)
	cancel()
	wg.Wait()
	json.NewEncoder(os.Stdout).Encode(total)
}

func (s *tally) add(one tally, took time.Duration) {
	s.OK += one.OK
	s.Goodbyes += one.Goodbyes
	s.Cut += one.Cut
	s.Refused += one.Refused
	s.Handshakes += one.Handshakes
	if one.OK > 0 {
		s.Slowest = max(s.Slowest, took)
	}
	if len(s.Errors) < 10 {
		s.Errors = append(s.Errors, one.Errors...)
	}
}

// connect makes one connection, visits and counts in one what came of it.
func connect(config *tls.Config, one *tally, visit func(*tls.Conn, *bufio.Reader, *tally) error) error {
	const limit = 30 * time.Second
	raw, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", chatPort), limit)
	if err != nil {
		one.Refused++
		return err
	}
	defer raw.Close()
	raw.SetDeadline(time.Now().Add(limit))
	conn := tls.Client(raw, config)
	if err := conn.Handshake(); err != nil {
		one.Handshakes++
		return fmt.Errorf("handshake: %w", err)
	}
	return visit(conn, bufio.NewReader(conn), one)
}

// talk says the lines, each after the last one's answer.
func talk(conn *tls.Conn, replies *bufio.Reader, lines []string, one *tally) error {
	for _, line := range lines {
		// A server that has said goodbye takes no more lines; what it said is
		// still to be read.
		_, sent := fmt.Fprintln(conn, line)
		reply, err := replies.ReadString('\n')
		switch {
		case strings.HasPrefix(reply, "[OK] "):
		case strings.HasPrefix(reply, goodbye):
			one.Goodbyes++
			return nil
		default:
			one.Cut++
			return fmt.Errorf("%s: reply %q, %v, %v", line, reply, sent, err)
		}
	}
	one.OK++
	return nil
}

// sit logs in and stays until the server says goodbye or ctx ends.
func sit(ctx context.Context, conn *tls.Conn, replies *bufio.Reader, one *tally) error {
	var came tally
	if err := talk(conn, replies, []string{login}, &came); err != nil || came.Goodbyes > 0 {
		one.Cut, one.Goodbyes = came.Cut, came.Goodbyes
		return err
	}
	defer context.AfterFunc(ctx, func() { conn.NetConn().Close() })()
	conn.SetDeadline(time.Time{})
	said, err := replies.ReadString('\n')
	switch {
	case strings.HasPrefix(said, goodbye):
		one.Goodbyes++
		_, err = replies.ReadByte()
		if err == io.EOF { // close_notify
			return nil
		}
	case ctx.Err() != nil:
		return nil
	}
	one.Cut++
	return fmt.Errorf("sat until %q, %v", said, err)
}

const (
	login   = "LOGIN " + account + " " + password
	goodbye = "[INFO] Server berhenti"
)

// serveFiles is the web server in the container's network.
func serveFiles(dir string) {
	l, err := net.Listen("tcp", webAddress)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening")
	log.Fatal(http.Serve(l, http.FileServer(http.Dir(dir))))
}

const webAddress = "127.0.0.1:8080"

// web serves the files below dir to the container until the test ends.
func (c *container) web(t *testing.T, dir string) {
	t.Helper()
	cmd := c.inNetwork(roleWeb, dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	startProcess(t, cmd)
	if !bufio.NewScanner(out).Scan() {
		t.Fatal("the web server did not start")
	}
}
