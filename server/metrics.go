package server

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"posko"
	"posko/server/account"
	"posko/server/admin"
	"posko/server/chat"
	"posko/server/files"
	"posko/server/hub"
	"posko/server/line"
)

// Upper bounds of the histograms' buckets, in seconds.
var (
	commandBuckets = []float64{.0001, .0005, .001, .005, .01, .05, .1, .5, 1, 5, 30}
	commitBuckets  = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5}
)

// metrics are what /metrics shows. What the rooms count is read when it is
// asked for; what nobody else counts is counted here.
//
// The labels have few values, never a name, an address or anything else that a
// client chooses.
type metrics struct {
	registry  *prometheus.Registry
	transfers line.Counters
	protocols map[string]*protocolMetrics
	commits   prometheus.Histogram
	uncommits prometheus.Counter
}

// protocolMetrics are what is counted of one protocol.
type protocolMetrics struct {
	open       prometheus.Gauge
	accepted   prometheus.Counter
	handshakes prometheus.Counter // that failed
	closed     map[line.Cause]prometheus.Counter
	logins     prometheus.Counter
	failures   map[string]prometheus.Counter // of logins, by reason
	commands   map[string]prometheus.Observer
}

// newMetrics describes the server s, whose rooms need not be open before the
// first scrape.
func newMetrics(s *Server) *metrics {
	m := &metrics{registry: prometheus.NewRegistry(), protocols: map[string]*protocolMetrics{}}
	m.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	m.countConnections()
	m.readServer(s)
	m.readRooms(s)
	return m
}

// countConnections makes what is counted here.
func (m *metrics) countConnections() {
	f := promauto.With(m.registry)
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return f.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	open := f.NewGaugeVec(prometheus.GaugeOpts{
		Name: "posko_connections", Help: "Connections that are open.",
	}, []string{"protocol"})
	accepted := counters("posko_connections_accepted_total",
		"Connections that were accepted, apart from those that a limit refused.", "protocol")
	handshakes := counters("posko_handshake_failures_total",
		"Connections that ended before their TLS handshake did.", "protocol")
	closed := counters("posko_connections_closed_total",
		"Connections that ended after the TLS handshake: by the client itself (left), without its saying so (broken), "+
			"by its account's being disabled or the like (ended), with the server (stopped), because nothing more was to be read from it (refused), "+
			"because it took too little of what was sent to it (stalled, overflow), by its silence, or by a failure of the server's.",
		"protocol", "cause")
	logins := counters("posko_logins_total", "Logins that succeeded.", "protocol")
	failures := counters("posko_login_failures_total",
		"Logins that failed, by why. A disabled account's is a wrong password.", "protocol", "reason")
	commands := f.NewHistogramVec(prometheus.HistogramOpts{
		Name: "posko_command_duration_seconds", Buckets: commandBuckets,
		Help: "Time from a command's line to its answer, refusals included.",
	}, []string{"protocol", "verb"})
	for name, sections := range map[string][]line.Section{
		ProtocolChat:  chat.New(chat.Options{}).Sections(),
		ProtocolFiles: files.New(files.Options{}).Sections(),
	} {
		p := &protocolMetrics{
			open:       open.WithLabelValues(name),
			accepted:   accepted.WithLabelValues(name),
			handshakes: handshakes.WithLabelValues(name),
			closed:     map[line.Cause]prometheus.Counter{},
			logins:     logins.WithLabelValues(name),
			failures:   map[string]prometheus.Counter{},
			commands:   map[string]prometheus.Observer{},
		}
		for _, cause := range line.Causes() {
			if cause != line.NoHandshake {
				p.closed[cause] = closed.WithLabelValues(name, string(cause))
			}
		}
		for _, reason := range loginReasons {
			p.failures[reason] = failures.WithLabelValues(name, reason)
		}
		for _, section := range sections {
			p.commands[section.Name] = commands.WithLabelValues(name, section.Name)
		}
		m.protocols[name] = p
	}
	m.commits = f.NewHistogram(prometheus.HistogramOpts{
		Name: "posko_commit_duration_seconds", Buckets: commitBuckets,
		Help: "Time that the database took to make one round of changes durable.",
	})
	m.uncommits = f.NewCounter(prometheus.CounterOpts{
		Name: "posko_commit_failures_total",
		Help: "Rounds that the database did not keep; a group's name that was taken is one.",
	})
}

// A source reads values when they are asked for.
type source struct{ promauto.Factory }

func (f source) gauge(name, help string, read func() float64) {
	f.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read)
}

// counter adds one series, with the labels' values if there are any.
func (f source) counter(name, help string, labels prometheus.Labels, read func() int64) {
	f.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels},
		func() float64 { return float64(read()) })
}

// readServer reads the server itself and what it is told from outside.
func (m *metrics) readServer(s *Server) {
	f := source{promauto.With(m.registry)}
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "posko_build_info", Help: "1, with the version that runs.",
		ConstLabels: prometheus.Labels{"version": posko.Version},
	}, func() float64 { return 1 })
	f.gauge("posko_start_time_seconds", "When the server started, in seconds since 1970.",
		func() float64 { return seconds(s.started) })
	refused := func(limit string, read func() int64) {
		f.counter("posko_connections_refused_total", "Connections that were refused at once, by the limit they would have exceeded.",
			prometheus.Labels{"limit": limit}, read)
	}
	refused("connections", func() int64 { all, _ := s.limits.refused(); return all })
	refused("per_address", func() int64 { _, of := s.limits.refused(); return of })
	f.gauge("posko_outbox_bytes", "Bytes that wait to be written to clients.",
		func() float64 { bytes, _ := s.waiting(); return float64(bytes) })
	f.gauge("posko_outbox_oldest_seconds", "For how long the client that has been slowest has taken none of the bytes that wait for it; 0 if none do.",
		func() float64 { _, oldest := s.waiting(); return oldest.Seconds() })
	transferred := func(direction string, read func() int64) {
		f.counter("posko_transfer_bytes_total", "Bytes of files that clients sent up, and were sent down.",
			prometheus.Labels{"direction": direction}, read)
	}
	transferred("up", m.transfers.Received.Load)
	transferred("down", m.transfers.Sent.Load)
	m.registry.MustRegister(certificateEnds{s})
	f.gauge("posko_reload_refused", "Whether the last reload of the configuration was refused: 1 or 0.",
		func() float64 {
			if s.outside().Reload != nil {
				return 1
			}
			return 0
		})
}

// readRooms reads what the rooms count.
func (m *metrics) readRooms(s *Server) {
	f := source{promauto.With(m.registry)}
	f.gauge("posko_accounts_online", "Accounts that have a chat connection.",
		func() float64 { return float64(s.hub.OnlineCount()) })
	said := func(kind string, read func(hub.Totals) int64) {
		f.counter("posko_messages_total", "Messages that were accepted.",
			prometheus.Labels{"kind": kind}, func() int64 { return read(s.hub.Totals()) })
	}
	said("private", func(t hub.Totals) int64 { return t.Private })
	said("group", func(t hub.Totals) int64 { return t.Group })
	said("broadcast", func(t hub.Totals) int64 { return t.Broadcasts })
	f.counter("posko_deliveries_total", "Events that were queued for connections: messages, joins and the like.",
		nil, func() int64 { return s.hub.Totals().Deliveries })
	f.counter("posko_rounds_total", "Rounds in which changes were checked, committed and delivered together.",
		nil, func() int64 { return s.hub.Totals().Rounds })
	f.counter("posko_round_changes_total", "Changes in these rounds: messages, joins and the like, refused ones too.",
		nil, func() int64 { return s.hub.Totals().Changes })
	f.gauge("posko_login_throttle_entries", "Addresses and accounts whose wrong passwords are remembered.",
		func() float64 { n, _ := s.accounts.Tracked(); return float64(n) })
	f.gauge("posko_login_throttle_entries_most", "How many can be; further ones go uncounted.",
		func() float64 { _, most := s.accounts.Tracked(); return float64(most) })
}

// outside is the part of a status that the server is told from outside.
func (s *Server) outside() (st admin.Status) {
	s.describe(&st)
	return st
}

// waiting is how many bytes wait to be written to clients, and for how long the
// slowest has taken none.
func (s *Server) waiting() (bytes int64, oldest time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		n, unmoved := c.Waiting()
		bytes += int64(n)
		oldest = max(oldest, unmoved)
	}
	return bytes, oldest
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// certificateEnds collects when certificates end, by each of their names. These
// are the operator's choice, and few.
type certificateEnds struct{ s *Server }

var certificateEnd = prometheus.NewDesc("posko_certificate_not_after_seconds",
	"When the certificate of this name ends, in seconds since 1970; 0 if there is none yet. Of several the one that ends first.",
	[]string{"name"}, nil)

func (certificateEnds) Describe(to chan<- *prometheus.Desc) { to <- certificateEnd }

func (c certificateEnds) Collect(to chan<- prometheus.Metric) {
	first := map[string]float64{}
	for _, cert := range c.s.outside().Certificates {
		end := 0.0
		if !cert.NotAfter.IsZero() {
			end = seconds(cert.NotAfter)
		}
		for _, name := range cert.Names {
			if was, ok := first[name]; !ok || end < was {
				first[name] = end
			}
		}
	}
	for name, end := range first {
		to <- prometheus.MustNewConstMetric(certificateEnd, prometheus.GaugeValue, end, name)
	}
}

// began counts a connection. The function that it returns counts its end. It
// knows nothing of operators.
func (m *metrics) began(protocol string) (ended func(line.Cause)) {
	p := m.protocols[protocol]
	if p == nil {
		return func(line.Cause) {}
	}
	p.accepted.Inc()
	p.open.Inc()
	return func(cause line.Cause) {
		p.open.Dec()
		if cause == line.NoHandshake {
			p.handshakes.Inc()
		} else {
			p.closed[cause].Inc()
		}
	}
}

// observe counts a command.
func (p *protocolMetrics) observe(verb string, took time.Duration) {
	p.commands[verb].Observe(took.Seconds())
}

// loginReasons are why logins fail.
var loginReasons = []string{"password", "unknown", "certificate", "throttled", "sessions", "other"}

// login counts a login.
func (p *protocolMetrics) login(err error) {
	reason := "other"
	switch {
	case err == nil:
		p.logins.Inc()
		return
	case errors.Is(err, account.ErrPassword):
		reason = "password"
	case errors.Is(err, account.ErrNoAccount):
		reason = "unknown"
	case errors.Is(err, account.ErrCertificate), errors.Is(err, account.ErrNoCertificate):
		reason = "certificate"
	case errors.Is(err, account.ErrThrottled):
		reason = "throttled"
	case errors.Is(err, hub.ErrSessions):
		reason = "sessions"
	}
	p.failures[reason].Inc()
}

// A timedStore measures commits.
type timedStore struct {
	hub.Store
	*metrics
}

func (s timedStore) Commit(ctx context.Context, records []hub.Record) error {
	began := time.Now()
	err := s.Store.Commit(ctx, records)
	s.commits.Observe(time.Since(began).Seconds())
	if err != nil {
		s.uncommits.Inc()
	}
	return err
}
