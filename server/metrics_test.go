package server

import (
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"posko/server/admin"
)

// A monitor is a client of a house's metrics.
type monitor struct {
	tb   testing.TB
	addr string
	http.Client
}

func (h *house) monitor() *monitor {
	m := &monitor{h.tb, h.addr[ProtocolMetrics], http.Client{Transport: &http.Transport{}, Timeout: patience}}
	h.tb.Cleanup(m.CloseIdleConnections)
	return m
}

func (m *monitor) do(method, path string) (status int, body string, head http.Header) {
	m.tb.Helper()
	r, err := http.NewRequest(method, "http://"+m.addr, nil)
	if err != nil {
		m.tb.Fatal(err)
	}
	r.URL.Opaque = "//" + m.addr + path // as it is
	answer, err := m.Do(r)
	if err != nil {
		m.tb.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		m.tb.Fatal(err)
	}
	return answer.StatusCode, string(text), answer.Header
}

// scrape returns posko's own series.
func (m *monitor) scrape() map[string]float64 {
	m.tb.Helper()
	status, body, _ := m.do("GET", "/metrics")
	if status != http.StatusOK {
		m.tb.Fatalf("status %d: %s", status, body)
	}
	series := map[string]float64{}
	for text := range strings.Lines(body) {
		if !strings.HasPrefix(text, "posko_") {
			continue
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(text, "\n"), " ")
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			m.tb.Fatalf("%s: %v", text, err)
		}
		series[name] = v
	}
	return series
}

// TestMetrics has people talk, move files and fail, and knows what that adds up
// to.
func TestMetrics(t *testing.T) {
	cfg := testConfig()
	cfg.Login.FailuresPerPair = 2
	cfg.Limits.PerAccount = 2
	cfg.Limits.PerAddress = 5
	h := newHouse(t, cfg)
	m := h.monitor()
	before := m.scrape()
	for _, name := range []string{"ani", "budi", "citra"} {
		h.user(name, "rahasia12")
	}
	h.group("dapur", "kunci", "ani", "budi")
	if _, err := h.accounts.SetAdmin(t.Context(), h.find("ani").ID, true); err != nil {
		t.Fatal(err)
	}

	ani, budi := h.login(ProtocolChat, "ani", "rahasia12"), h.login(ProtocolChat, "budi", "rahasia12")
	for range 2 {
		ani.ask("SEND budi halo", "pesan terkirim")
	}
	for range 3 {
		ani.ask("SENDGROUP dapur halo", "Pesan terkirim")
	}
	ani.ask("BROADCAST halo", "Pesan terkirim")
	ani.refused("SEND citra halo", "penerima tidak tersedia")
	ani.refused("SEND", "format message tidak sesuai")
	ani.refused("NONESUCH", "Perintah tidak dikenal")

	stranger := h.dial(ProtocolChat)
	stranger.refused("LOGIN nobody rahasia12", "Username belum tersedia")
	for range 2 {
		stranger.refused("LOGIN citra rahasia00", "Password yang dimasukkan salah")
	}
	stranger.refused("LOGIN citra rahasia12", "Terlalu banyak percobaan, coba lagi nanti")
	files := h.login(ProtocolFiles, "budi", "rahasia12")
	files.put("a", noise(300_000))
	files.get("a")
	files.ask("PUT b", `Kirim isi berkas, akhiri dengan baris "."`)
	files.Send("satu\n.")
	files.next("[OK] Berkas tersimpan")
	again := h.login(ProtocolFiles, "ani", "rahasia12")
	stranger.refused("LOGIN ani rahasia12", "Terlalu banyak koneksi untuk akun ini")
	if over, err := net.Dial("tcp", h.addr[ProtocolFiles]); err != nil {
		t.Fatal(err)
	} else if _, err := io.ReadAll(over); err == nil {
		over.Close() // refused: it is the sixth
	}

	want := map[string]float64{
		`posko_connections{protocol="chat"}`:                                            3,
		`posko_connections{protocol="files"}`:                                           2,
		`posko_accounts_online`:                                                         2,
		`posko_connections_refused_total{limit="per_address"}`:                          1,
		`posko_logins_total{protocol="chat"}`:                                           2,
		`posko_logins_total{protocol="files"}`:                                          2,
		`posko_login_failures_total{protocol="chat",reason="unknown"}`:                  1,
		`posko_login_failures_total{protocol="chat",reason="password"}`:                 2,
		`posko_login_failures_total{protocol="chat",reason="throttled"}`:                1,
		`posko_login_failures_total{protocol="chat",reason="sessions"}`:                 1,
		`posko_login_throttle_entries`:                                                  3, // the address, and two names
		`posko_messages_total{kind="private"}`:                                          2,
		`posko_messages_total{kind="group"}`:                                            3,
		`posko_messages_total{kind="broadcast"}`:                                        1,
		`posko_deliveries_total`:                                                        6,
		`posko_rounds_total`:                                                            9, // the group's two as well
		`posko_round_changes_total`:                                                     9,
		`posko_commit_duration_seconds_count`:                                           7, // all but the broadcast and what was refused
		`posko_transfer_bytes_total{direction="up"}`:                                    300_005,
		`posko_transfer_bytes_total{direction="down"}`:                                  300_000,
		`posko_command_duration_seconds_count{protocol="chat",verb="SEND"}`:             4,
		`posko_command_duration_seconds_count{protocol="chat",verb="SENDGROUP"}`:        3,
		`posko_command_duration_seconds_count{protocol="chat",verb="LOGIN"}`:            7,
		`posko_command_duration_seconds_count{protocol="files",verb="PUT"}`:             2,
		`posko_command_duration_seconds_bucket{protocol="files",verb="RETR",le="+Inf"}`: 1,
		`posko_connections_accepted_total{protocol="chat"}`:                             3,
		`posko_connections_accepted_total{protocol="files"}`:                            2,
	}
	m.shows(want)

	// Everybody leaves, each in another way.
	again.cut()
	eventually(t, "the cut connection is gone", func() bool { return h.clients() == 4 })
	third := h.login(ProtocolFiles, "ani", "rahasia12")
	third.Close()
	eventually(t, "the third connection is gone", func() bool { return h.clients() == 4 })
	scanner := h.raw(ProtocolChat)
	io.WriteString(scanner, "GET / HTTP/1.0\r\n\r\n")
	io.Copy(io.Discard, scanner)
	scanner.Close()
	stranger.Send("GET / HTTP/1.1")
	stranger.closed()
	stranger.Close()
	operator := h.operator()
	if _, err := operator.Do("USERDISABLE budi"); err != nil {
		t.Fatal(err)
	}
	files.next("[INFO] Akun Anda dinonaktifkan")
	files.closed()
	files.Close()
	for range 6 { // what ani said
		if _, err := budi.ReadLine(); err != nil {
			t.Fatal(err)
		}
	}
	budi.next("[INFO] Akun Anda dinonaktifkan")
	budi.leave()
	ani.ask("EXIT", "Sampai jumpa")
	ani.Close()
	m.shows(map[string]float64{
		`posko_connections{protocol="chat"}`:                              0,
		`posko_connections{protocol="files"}`:                             0,
		`posko_accounts_online`:                                           0,
		`posko_handshake_failures_total{protocol="chat"}`:                 1,
		`posko_connections_closed_total{cause="refused",protocol="chat"}`: 1,
		`posko_connections_closed_total{cause="ended",protocol="chat"}`:   1,
		`posko_connections_closed_total{cause="left",protocol="chat"}`:    1,
		`posko_connections_closed_total{cause="broken",protocol="files"}`: 1,
		`posko_connections_closed_total{cause="left",protocol="files"}`:   1,
		`posko_connections_closed_total{cause="ended",protocol="files"}`:  1,
		`posko_connections_accepted_total{protocol="chat"}`:               4,
		`posko_connections_accepted_total{protocol="files"}`:              3,
	})
	after := m.scrape()
	var appeared []string
	for name := range after {
		if _, ok := before[name]; !ok {
			appeared = append(appeared, name)
		}
	}
	if len(appeared) > 0 || len(before) != len(after) {
		t.Errorf("%d series were %d; these are new: %q", len(after), len(before), appeared)
	}
}

// shows waits until the values are as they should be.
func (m *monitor) shows(want map[string]float64) {
	m.tb.Helper()
	got := map[string]float64{}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		all := m.scrape()
		for name := range want {
			got[name] = -1
			if v, ok := all[name]; ok {
				got[name] = v
			}
		}
		if maps.Equal(got, want) {
			return
		}
	}
	m.tb.Fatalf("(-want +got):\n%s", cmp.Diff(want, got))
}

// TestMetricsLint asks Prometheus what it thinks of the names.
func TestMetricsLint(t *testing.T) {
	h := newHouse(t, testConfig())
	problems, err := testutil.GatherAndLint(h.metrics.registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// TestMetricsOfOthers reads what the server is told from outside.
func TestMetricsOfOthers(t *testing.T) {
	h := newHouse(t, testConfig())
	m := h.monitor()
	m.shows(map[string]float64{"posko_reload_refused": 0})
	h.describe = func(st *admin.Status) {
		st.Certificates = []admin.Certificate{
			{Names: []string{"a.example", "b.example"}, NotAfter: time.Unix(2e9, 0)},
			{Names: []string{"b.example"}, NotAfter: time.Unix(1e9, 0)},
			{Names: []string{"new.example"}},
		}
		st.Reload = errors.New("refused")
	}
	m.shows(map[string]float64{
		`posko_certificate_not_after_seconds{name="a.example"}`:   2e9,
		`posko_certificate_not_after_seconds{name="b.example"}`:   1e9,
		`posko_certificate_not_after_seconds{name="new.example"}`: 0,
		"posko_reload_refused": 1,
	})
}

// TestMetricsOutbox has somebody read nothing of what is said.
func TestMetricsOutbox(t *testing.T) {
	h := newHouse(t, testConfig())
	h.user("ani", "rahasia12")
	h.user("budi", "rahasia12")
	m := h.monitor()
	ani, budi := h.login(ProtocolChat, "ani", "rahasia12"), h.loginBy(narrow, ProtocolChat, "budi", "rahasia12")
	text := strings.Repeat("x", 8000)
	eventually(t, "bytes wait and grow old", func() bool {
		all := m.scrape() // which takes longer than many messages
		if all["posko_outbox_bytes"] == 0 {
			for range 50 { // of less than an outbox
				ani.ask("SEND budi "+text, "pesan terkirim")
			}
		}
		return all["posko_outbox_oldest_seconds"] > 0
	})
	go io.Copy(io.Discard, budi.tls)
	m.shows(map[string]float64{"posko_outbox_bytes": 0, "posko_outbox_oldest_seconds": 0})
}

// TestMetricsCommit has the database keep nothing.
func TestMetricsCommit(t *testing.T) {
	h := newHouse(t, testConfig())
	h.user("ani", "rahasia12")
	m := h.monitor()
	ani := h.login(ProtocolChat, "ani", "rahasia12")
	h.user("dapur", "rahasia12") // unknown to the hub
	ani.refused("CREATEGROUP dapur kunci", "Nama grup sudah terpakai")
	m.shows(map[string]float64{"posko_commit_failures_total": 1, "posko_commit_duration_seconds_count": 1})
}
