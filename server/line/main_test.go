package line

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// plainEnv in the environment has connections wait on goroutines of their own,
// as they do on systems without a Lot.
const plainEnv = "LINE_TEST_PLAIN"

// TestPlain runs the other tests again without a lot.
func TestPlain(t *testing.T) {
	if os.Getenv(plainEnv) != "" {
		return // this is the second run
	}
	t.Parallel()
	again := exec.CommandContext(t.Context(), os.Args[0], "-test.shuffle=on", "-test.timeout=2m")
	again.Env = append(os.Environ(), plainEnv+"=1")
	if out, err := again.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

var words = Phrases{
	Malformed:    "malformed",
	BadLine:      "bad line",
	TooLong:      "too long",
	Unknown:      "unknown",
	NotLoggedIn:  "not logged in",
	LoggedIn:     "logged in already",
	Internal:     "internal",
	Stopping:     "stopping",
	LoginTimeout: "no login came",
	Idle:         "idle",
	TooMuch:      "too much",
}

var (
	errCore   = errors.New("core: no such thing")
	errLost   = errors.New("core: nobody knows")
	errSecret = errors.New("open /very/secret/path: no")
)

// A house is a server of the test dialect, with what a test wants to see of it.
type house struct {
	opened  chan *Conn
	left    chan bool          // clean, of every session that was closed
	ended   chan error         // what Serve returned
	running chan struct{}      // a WAIT has begun
	proceed chan struct{}      // ends a WAIT
	later   chan func(error)   // the answers that LATER owes
	log     *syncBuffer        // of the engine
	done    sync.WaitGroup     // the connections
	sink    io.Writer          // of PUT and TEXT
	body    *watchedBody       // of the last BYTES
	dialect *Dialect[*visitor] // what is served
}

// A visitor is a session of the test dialect.
type visitor struct {
	*house
	c   *Conn
	ran int // ADDs

	paced int // SLOWs that were asked
	tried int // FULLs that ran

	reads int64 // at the last HEARD
}

func newHouse() *house {
	h := &house{
		opened:  make(chan *Conn, 1000),
		left:    make(chan bool, 1000),
		ended:   make(chan error, 1000),
		running: make(chan struct{}),
		proceed: make(chan struct{}),
		later:   make(chan func(error), 1000),
		log:     &syncBuffer{},
		sink:    io.Discard,
	}
	h.dialect = &Dialect[*visitor]{
		Table: h.table(),
		Open: func(c *Conn) *visitor {
			h.opened <- c
			return &visitor{house: h, c: c}
		},
		Close: func(_ *visitor, clean bool) { h.left <- clean },
	}
	return h
}

func (h *house) table() *Table[*visitor] {
	number := func(s string) bool { _, err := strconv.ParseUint(s, 10, 31); return err == nil }
	refuses := Refusals{{errCore, "no such thing"}, {errLost, NoAnswer}}
	fails := func(err error) func(*visitor, context.Context, *Call) error {
		return func(*visitor, context.Context, *Call) error { return err }
	}
	rows := []Command[*visitor]{
		{Name: "LOGIN", Args: "NAME", Done: "welcome", Needs: LoggedOut, Run: (*visitor).login},
		{Name: "LOGOUT", Done: "bye", Run: (*visitor).logout},
		{Name: "ECHO", Args: "[TEXT...]", Needs: Anytime, Prompt: true, Run: (*visitor).echo},
		{Name: "ADD", Needs: Anytime, Run: (*visitor).add},
		{Name: "MINE", Args: "NAME", Done: "yours", Malformed: "malformed mine"},
		{Name: "REFUSE", Needs: Anytime, Run: fails(fmt.Errorf("wrapped: %w", errCore))},
		{Name: "SAYNO", Needs: Anytime, Run: fails(Refusal("no"))},
		{Name: "ODD", Needs: Anytime, Malformed: "odd", Run: fails(ErrMalformed)},
		{Name: "BREAK", Needs: Anytime, Run: fails(errSecret)},
		{Name: "LOSE", Needs: Anytime, Run: fails(errLost)},
		{Name: "PANIC", Needs: Anytime, Run: func(*visitor, context.Context, *Call) error { panic(errSecret.Error()) }},
		{Name: "ROWS", Args: "PROMISED SENT [LAST]", Needs: Anytime, Run: (*visitor).rows},
		{Name: "BYTES", Args: "PROMISED SENT [LAST]", Needs: Anytime, Run: (*visitor).bytes},
		{Name: "PUT", Args: "NAME SIZE", Done: "stored", Upload: true, Run: (*visitor).put},
		{Name: "TEXT", Done: "stored", Upload: true, Run: (*visitor).text},
		{Name: "LATER", Args: "[NOW|PANIC]", Done: "at last", Needs: Anytime, Async: true, Prompt: true, Run: (*visitor).owe},
		{Name: "FULL", Done: "room", Needs: Anytime, Prompt: true, Run: (*visitor).full},
		{Name: "HEARD", Needs: Anytime, Run: (*visitor).heard},
		{Name: "WAIT", Done: "waited", Needs: Anytime, Run: (*visitor).wait},
		{Name: "SLOW", Args: "TIME", Done: "at last", Pace: (*visitor).pace},
		{Name: "GORGE", Done: "so long", Needs: Anytime, Final: true, Run: (*visitor).gorge},
		{Name: "EXIT", Aliases: []string{"QUIT"}, Done: "so long", Needs: Anytime, Final: true, Run: fails(nil)},
	}
	for i := range rows {
		rows[i].Help, rows[i].Refuses = "help of "+rows[i].Name, refuses
		if rows[i].Run == nil {
			rows[i].Run = fails(nil)
		}
	}
	return NewTable(words, map[string]func(string) bool{"PROMISED": number, "SENT": number, "SIZE": number}, rows...)
}

func (v *visitor) login(context.Context, *Call) error {
	v.c.SetLoggedIn(true)
	return nil
}

func (v *visitor) logout(context.Context, *Call) error {
	v.c.SetLoggedIn(false)
	return nil
}

func (v *visitor) echo(_ context.Context, c *Call) error {
	c.Say(Reply("echo " + c.Arg(0)))
	return nil
}

func (v *visitor) add(_ context.Context, c *Call) error {
	v.ran++
	c.Say(Reply(strconv.Itoa(v.ran)))
	return nil
}

// full has room at the third try.
func (v *visitor) full(context.Context, *Call) error {
	if v.tried++; v.tried%3 != 0 {
		return ErrNotYet
	}
	return nil
}

func (v *visitor) heard(_ context.Context, c *Call) error {
	read, written := v.c.Heard()
	c.Say(Reply(fmt.Sprintf("after %d reads and %d bytes", read-v.reads, written)))
	v.reads = read
	c.Notice("that was it")
	return nil
}

// rows promises some rows and sends some; LAST says how they end.
func (v *visitor) rows(_ context.Context, c *Call) error {
	promised, _ := strconv.Atoi(c.Arg(0))
	sent, _ := strconv.Atoi(c.Arg(1))
	c.Rows(promised, func(yield func(string, error) bool) {
		for i := range sent {
			if !yield("row "+strconv.Itoa(i), nil) {
				return
			}
		}
		v.last(c.Arg(2))
		if c.Arg(2) == "error" {
			yield("", errSecret)
		}
	})
	return nil
}

// last ends data: a panic, or a pause in which a test does something.
func (v *visitor) last(how string) {
	switch how {
	case "panic":
		v.running <- struct{}{}
		<-v.proceed
		panic("in the data")
	case "pause":
		v.running <- struct{}{}
		<-v.proceed
	}
}

func (v *visitor) bytes(_ context.Context, c *Call) error {
	promised, _ := strconv.ParseInt(c.Arg(0), 10, 64)
	sent, _ := strconv.ParseInt(c.Arg(1), 10, 64)
	v.body = &watchedBody{Reader: io.LimitReader(zeros{}, sent), closed: make(chan struct{})}
	c.Bytes(promised, v.body)
	if c.Arg(2) == "error" {
		return errCore
	}
	v.last(c.Arg(2))
	return nil
}

func (v *visitor) put(_ context.Context, c *Call) error {
	if c.Arg(0) == "refused" {
		return errCore
	}
	size, _ := strconv.ParseInt(c.Arg(1), 10, 64)
	return c.Receive("send", size, v.sink)
}

func (v *visitor) text(_ context.Context, c *Call) error { return c.ReceiveText("send", v.sink) }

func (v *visitor) owe(_ context.Context, c *Call) error {
	if c.Arg(0) == "NOW" {
		return errCore
	}
	answer := c.Later()
	if c.Arg(0) == "PANIC" {
		panic("before the answer was handed on")
	}
	v.later <- func(err error) { answer(err); v.c.Flush() }
	return nil
}

// pace has a command wait for the time that it says.
func (v *visitor) pace(c *Call) time.Duration {
	v.paced++
	wait, _ := time.ParseDuration(c.Arg(0))
	return wait
}

// gorge has the client fall behind what is sent to it while its EXIT runs.
func (v *visitor) gorge(context.Context, *Call) error {
	v.c.Append(make([]byte, v.c.opt.Outbox+1))
	return nil
}

func (v *visitor) wait(ctx context.Context, _ *Call) error {
	v.running <- struct{}{}
	select {
	case <-v.proceed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// serve serves one connection.
func (h *house) serve(ctx context.Context, nc net.Conn, opt Options) *Conn {
	opt.Log = slog.New(slog.NewTextHandler(h.log, nil))
	c := NewConn(nc, &opt, 1)
	h.start(ctx, c)
	return c
}

func (h *house) start(ctx context.Context, c *Conn) {
	h.done.Add(1)
	h.dialect.Start(ctx, c, func(err error) {
		h.ended <- err
		h.done.Done()
	})
}

// listen serves on a TLS listener until the test ends.
func (h *house) listen(t *testing.T, opt Options) string {
	t.Helper()
	opt.TLS = serverTLS()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if os.Getenv(plainEnv) == "" {
		if opt.Lot, err = NewLot(ctx); err != nil {
			t.Fatal(err)
		}
	}
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			h.serve(ctx, nc, opt)
		}
	})
	t.Cleanup(func() {
		l.Close()
		accepting.Wait()
		cancel()
		h.done.Wait()
	})
	return l.Addr().String()
}

// pipe serves one end of a pipe, without TLS, and returns the client at the
// other one.
func (h *house) pipe(t *testing.T, opt Options) (*user, *Conn) {
	near, far := net.Pipe()
	c := h.serve(t.Context(), far, opt)
	t.Cleanup(func() {
		near.Close()
		h.done.Wait()
	})
	return newUser(t, near), c
}

// A user is a client in a test.
type user struct {
	*Client
	t   *testing.T
	nc  net.Conn
	raw *net.TCPConn // below TLS
}

// patience bounds every wait for something that must come.
const patience = 20 * time.Second

func newUser(t *testing.T, nc net.Conn) *user {
	nc.SetDeadline(time.Now().Add(patience))
	return &user{Client: NewClient(nc), t: t, nc: nc}
}

// dial connects a user, who sees errTorn where a connection ends without a
// close_notify, and returns the server's end too.
func (h *house) dial(t *testing.T, addr string) (*user, *Conn) {
	t.Helper()
	raw, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	u := newUser(t, tls.Client(&guard{Conn: raw, tls: true}, clientTLS()))
	u.raw = raw.(*net.TCPConn)
	if err := u.nc.(*tls.Conn).Handshake(); err != nil {
		t.Fatal(err)
	}
	return u, await(t, h.opened)
}

// await receives what must come.
func await[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("no %T came", *new(T))
		panic("unreachable")
	}
}

// say sends bytes as they are.
func (u *user) say(text string) {
	u.t.Helper()
	if _, err := io.WriteString(u.nc, text); err != nil {
		u.t.Fatalf("writing: %v", err)
	}
}

// hear demands the lines that come next.
func (u *user) hear(lines ...string) {
	u.t.Helper()
	for _, want := range lines {
		if got, err := u.ReadLine(); err != nil || got != want {
			u.t.Fatalf("heard %.200q, %v; want %.200q", got, err, want)
		}
	}
}

// do sends lines that are answered by one each, given in turns with them.
func (u *user) do(turns ...string) {
	u.t.Helper()
	for i := 0; i < len(turns); i += 2 {
		u.say(turns[i] + "\n")
		u.hear(turns[i+1])
	}
}

// login logs in.
func (u *user) login() {
	u.t.Helper()
	u.do("LOGIN ani", "[OK] welcome")
}

// end demands that nothing follows but the end that is wanted. A reset, which a
// kernel sends if there were unread bytes, is as good as errTorn.
func (u *user) end(want error) {
	u.t.Helper()
	text, err := u.ReadLine()
	if !errors.Is(err, want) && (want != errTorn || !errors.Is(err, syscall.ECONNRESET)) {
		u.t.Fatalf("heard %.200q, %v; want the end, %v", text, err, want)
	}
}

// certificate is a throwaway one for 127.0.0.1.
var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
})

func serverTLS() *tls.Config { return &tls.Config{Certificates: []tls.Certificate{certificate()}} }

func clientTLS() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(certificate().Leaf)
	return &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}
}

// zeros is an endless file.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// A watchedBody tells when it was closed.
type watchedBody struct {
	io.Reader
	closed chan struct{}
}

func (b *watchedBody) Close() error {
	close(b.closed)
	return nil
}

// A syncBuffer is written by the sessions and read by the test.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// repeat is n times a text.
func repeat(text string, n int) string { return strings.Repeat(text, n) }
