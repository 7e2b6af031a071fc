// Package server puts the rooms together: it accepts connections, bounds their
// number, gives each listener its dialect, and starts, reloads and stops the
// whole. It reads the configuration.
//
// It knows neither how things are stored nor where certificates and listeners
// come from: whoever makes a Server hands these in.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"posko"
	"posko/server/account"
	"posko/server/admin"
	"posko/server/chat"
	"posko/server/files"
	"posko/server/hub"
	"posko/server/line"
	"posko/server/sandbox"
)

// The names of the protocols, under which Serve is given listeners.
const (
	ProtocolChat    = "chat"
	ProtocolFiles   = "files"
	ProtocolAdmin   = "admin"   // the operator's, on a Unix socket, without TLS
	ProtocolMetrics = "metrics" // HTTP: /metrics and /healthz, without TLS
)

// ErrServerClosed is returned by Serve after Shutdown: it is a success.
var ErrServerClosed = errors.New("server: closed")

// Options are what a Server is made of.
type Options struct {
	Config Config // valid
	// Dir is the state directory. The caller has it locked.
	Dir      string
	Accounts account.Store
	Hub      hub.Store
	Files    sandbox.Store
	// TLS returns the configuration of a protocol, by its ALPN name. It is
	// called once for each.
	TLS func(alpn string) *tls.Config
	Log *slog.Logger
	// Certificate tells what the client of a TLS connection has shown. It may
	// be nil, if nobody ever does.
	Certificate func(tls.ConnectionState) account.Certificate
	// Authority issues certificates for the operator.
	Authority admin.Authority
	// Fail is called once if the state can't be trusted any more: the process
	// should end with an error, and start again. It may be nil.
	Fail func(error)
	// Ping tells whether the database answers. It may be nil.
	Ping func(context.Context) error
	// Describe adds to a status what lies outside the server: certificates,
	// and what became of the last reload. It may be nil.
	Describe func(*admin.Status)
}

// A dialect is what serves the connections of one listener.
type dialect interface {
	Start(ctx context.Context, c *line.Conn, ended func(error))
}

// A Server serves both protocols and the operator's.
type Server struct {
	log      *slog.Logger
	accounts *account.Directory
	hub      *hub.Hub
	disk     *sandbox.Disk // of the accounts
	groups   *sandbox.Disk
	xferlog  *files.Xferlog
	dialects map[string]dialect
	tls      map[string]*tls.Config
	initial  Config // what only a start applies is still as it says
	config   atomic.Pointer[Config]
	lines    atomic.Pointer[map[string]*line.Options] // of new connections, by protocol
	slots    atomic.Pointer[chan struct{}]
	lot      *line.Lot
	limits   limits
	started  time.Time
	describe func(*admin.Status)
	ping     func(context.Context) error
	metrics  *metrics
	http     *http.Server
	checking chan struct{} // holds one while a Check is under way

	ctx     context.Context // of all connections; cancelled to cut them off
	cancel  context.CancelFunc
	conns   sync.WaitGroup
	tending sync.WaitGroup // of the files
	// accepting are the loops that start them, webLoops those of the web server.
	accepting, webLoops sync.WaitGroup

	mu        sync.Mutex
	stopping  bool                    // nothing listens any more
	stopped   chan struct{}           // closed when that begins
	shut      bool                    // and nothing that was accepted is still to come
	open      map[*line.Conn]string   // its protocol
	listeners map[net.Listener]string // likewise
	answers   chan struct{}           // to the last knock
	lastID    uint64
}

// New opens the rooms. Shutdown must be called afterwards.
func New(ctx context.Context, opt Options) (*Server, error) {
	s := &Server{
		log: opt.Log, started: time.Now(), describe: opt.Describe, ping: opt.Ping,
		checking: make(chan struct{}, 1),
		stopped:  make(chan struct{}),
		open:     map[*line.Conn]string{}, listeners: map[net.Listener]string{},
		limits:  newLimits(opt.Log),
		xferlog: files.NewXferlog(opt.Log),
	}
	if s.describe == nil {
		s.describe = func(*admin.Status) {}
	}
	if s.ping == nil {
		s.ping = func(context.Context) error { return nil }
	}
	s.metrics = newMetrics(s)
	s.http = newWeb(s, opt.Log)
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err := s.build(ctx, opt); err != nil {
		s.close()
		return nil, err
	}
	go newTrimmer().run(s.ctx)
	return s, nil
}

func (s *Server) build(ctx context.Context, opt Options) (err error) {
	cfg := opt.Config
	s.initial = cfg
	if s.lot, err = line.NewLot(s.ctx); err != nil {
		return err
	}
	if s.accounts, err = account.New(opt.Accounts, cfg.accounts()); err != nil {
		return err
	}
	if s.disk, err = sandbox.Open(filepath.Join(opt.Dir, "files"), opt.Files, cfg.sandbox()); err != nil {
		return err
	}
	if s.groups, err = sandbox.Open(filepath.Join(opt.Dir, "groups"), nil, cfg.shared()); err != nil {
		return err
	}
	if err := s.reconcile(ctx, opt.Dir); err != nil {
		return err
	}
	s.hub, err = hub.New(ctx, hub.Options{
		Store: timedStore{opt.Hub, s.metrics}, Log: opt.Log, Fail: opt.Fail,
		Turn: s.lot.Turn, Settings: cfg.hub(),
	})
	if err != nil {
		return err
	}
	shown := func(c *line.Conn) (none account.Certificate) {
		if opt.Certificate == nil {
			return none
		}
		return opt.Certificate(c.TLS())
	}
	c, f := s.metrics.protocols[ProtocolChat], s.metrics.protocols[ProtocolFiles]
	s.dialects = map[string]dialect{
		ProtocolChat: chat.New(chat.Options{
			Accounts: s.accounts, Hub: s.hub, Observe: c.observe, OnLogin: c.login, Certificate: shown,
		}),
		ProtocolFiles: files.New(files.Options{
			Accounts: s.accounts, Hub: s.hub, Disk: s.disk, Groups: s.groups, Observe: f.observe, OnLogin: f.login, Certificate: shown, Xferlog: s.xferlog,
		}),
		ProtocolAdmin: admin.New(admin.Options{
			Accounts: s.accounts, Hub: s.hub, Disk: s.disk, Status: s.Status, Authority: opt.Authority,
			MinPassword: func() int { return s.config.Load().Accounts.MinPassword },
		}),
	}
	s.tls = map[string]*tls.Config{
		ProtocolChat:  opt.TLS(chat.ALPN),
		ProtocolFiles: opt.TLS(files.ALPN),
	}
	for name, cfg := range s.tls {
		if cfg == nil { // which would mean no TLS at all
			return fmt.Errorf("server: no TLS for %s", name)
		}
	}
	s.configure(cfg)
	s.tending.Go(s.tend)
	return nil
}

// tendEvery is how often the files are looked after.
const tendEvery = time.Minute

// tend counts every root of files, while clients are served already, and from
// then on removes what the trash and broken uploads have kept for long enough,
// and the folders of groups that the hub has forgotten.
func (s *Server) tend() {
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	for began := time.Now(); ; {
		err := errors.Join(s.disk.Tend(s.ctx), s.groups.Reconcile(s.ctx, s.hub.Keeps), s.groups.Tend(s.ctx))
		switch {
		case s.ctx.Err() != nil:
			return
		case err != nil:
			s.log.Error("files not tended", "err", err)
		case !began.IsZero():
			s.log.Info("files counted", "took", time.Since(began))
		}
		began = time.Time{}
		select {
		case <-tick.C:
		case <-s.ctx.Done():
			return
		}
	}
}

// reconcile removes what a crash has left over: the files of accounts whose
// deletion it interrupted, and copies of the database that were to be backed up.
func (s *Server) reconcile(ctx context.Context, dir string) error {
	copies, err := filepath.Glob(filepath.Join(dir, workPrefix+"*"))
	if err != nil {
		return err
	}
	for _, path := range copies {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	all, err := s.accounts.List(ctx)
	if err != nil {
		return err
	}
	alive := make(map[int64]bool, len(all))
	for _, a := range all {
		alive[a.ID] = true
	}
	return s.disk.Reconcile(ctx, func(id int64) bool { return alive[id] })
}

// configure applies what may change while the server runs.
func (s *Server) configure(cfg Config) {
	if old := s.config.Load(); old == nil || old.Limits.Handshakes != cfg.Limits.Handshakes {
		var slots chan struct{}
		if cfg.Limits.Handshakes > 0 {
			slots = line.NewSlots(cfg.Limits.Handshakes)
		}
		s.slots.Store(&slots)
	}
	lines := make(map[string]*line.Options, len(s.dialects))
	for name := range s.dialects {
		lines[name] = s.lineOptions(name, cfg)
	}
	s.lines.Store(&lines)
	s.config.Store(&cfg)
	s.limits.set(cfg.Limits.Connections, cfg.Limits.PerAddress)
}

// Reload applies a valid configuration and returns the keys that differ from
// those of the start and take effect at the next one only. On an error nothing
// has changed.
func (s *Server) Reload(cfg Config) (restart []string, err error) {
	restart = cfg.Changed(s.initial)
	transfers, err := openXferlog(cfg)
	if err != nil {
		return nil, err
	}
	if err := s.accounts.SetOptions(cfg.accounts()); err != nil {
		if transfers != nil {
			transfers.Close()
		}
		return nil, err
	}
	s.xferlog.Use(transfers)
	s.hub.Configure(cfg.hub())
	s.disk.SetOptions(cfg.sandbox())
	s.groups.SetOptions(cfg.shared())
	s.configure(cfg)
	return restart, nil
}

// OpenXferlog opens the file of log.xferlog, if there is one. Reload does so
// again.
func (s *Server) OpenXferlog() error {
	file, err := openXferlog(*s.config.Load())
	if err == nil {
		s.xferlog.Use(file)
	}
	return err
}

func openXferlog(cfg Config) (*os.File, error) {
	if cfg.Log.Xferlog == "" {
		return nil, nil
	}
	file, err := files.OpenXferlog(cfg.Log.Xferlog)
	if err != nil {
		return nil, fmt.Errorf("log.xferlog: %w", err)
	}
	return file, nil
}

// Shutdown takes no more connections, lets running commands and transfers end,
// and says goodbye to every client. When ctx is done it cuts off whoever is
// left. Then it closes the rooms and, last, stops telling how it does; the stores
// remain the caller's to close.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	if !s.stopping {
		s.stopping = true
		close(s.stopped)
	}
	for l := range s.listeners {
		l.Close()
	}
	s.mu.Unlock()
	s.accepting.Wait()
	s.mu.Lock()
	s.shut = true
	for c := range s.open {
		c.Stop()
	}
	s.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		s.conns.Wait()
		close(ended)
	}()
	var err error
	select {
	case <-ended:
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.cancel()
	<-ended
	s.close()
	s.stopWeb()
	return err
}

// close closes the rooms that are open.
func (s *Server) close() {
	s.cancel()
	s.xferlog.Use(nil)
	s.tending.Wait()
	if s.hub != nil {
		s.hub.Close()
	}
	for _, disk := range []*sandbox.Disk{s.disk, s.groups} {
		if disk == nil {
			continue
		}
		if err := disk.Close(); err != nil {
			s.log.Error("files not closed", "err", err)
		}
	}
}

// Status describes the running server, for the operator, whose own connections
// are left out.
func (s *Server) Status() admin.Status {
	st := admin.Status{
		Version: posko.Version, Started: s.started,
		Connections: map[string]int{}, Listening: map[string][]string{},
		Received: s.metrics.transfers.Received.Load(), Sent: s.metrics.transfers.Sent.Load(),
		Online: len(s.hub.Online()),
	}
	s.mu.Lock()
	for l, name := range s.listeners {
		st.Listening[name] = append(st.Listening[name], l.Addr().String())
	}
	for _, name := range s.open {
		st.Connections[name]++
	}
	s.mu.Unlock()
	delete(st.Listening, ProtocolAdmin)
	delete(st.Connections, ProtocolAdmin)
	for _, addresses := range st.Listening {
		slices.Sort(addresses)
	}
	s.describe(&st)
	return st
}
