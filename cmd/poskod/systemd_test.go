package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A manager is the service manager's end of a notification socket.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
}

func newManager(t *testing.T, h *house) (m *manager, environment string) {
	t.Helper()
	path := filepath.Join(h.dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &manager{t, conn}, "NOTIFY_SOCKET=" + path
}

// hears waits for a notification that begins so, and returns it.
func (m *manager) hears(want string) string {
	m.t.Helper()
	m.conn.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, 4096)
	for {
		n, err := m.conn.Read(b)
		if err != nil {
			m.t.Fatalf("waiting for %q: %v", want, err)
		}
		if got := string(b[:n]); strings.HasPrefix(got, want) {
			return got
		}
	}
}

func TestNotify(t *testing.T) {
	h := newHouse(t, "")
	m, environment := newManager(t, h)
	// The watchdog is meant for the process that WATCHDOG_PID names.
	cmd := exec.Command("sh", "-c", `WATCHDOG_PID=$$ exec "$@"`, "sh", binary, "serve", "--config", h.config)
	cmd.Env = environ(environment, "WATCHDOG_USEC=200000")
	h.start(cmd)
	m.hears("READY=1")
	m.hears("STATUS=0 chat and 0 file connections, 0 accounts online, files: 0.0 MiB received, 0.0 MiB sent, certificate for 89 days")
	m.hears("WATCHDOG=1")
	if h.out.String() != "" {
		t.Errorf("hints under systemd:\n%s", h.out)
	}
	h.signal(syscall.SIGHUP)
	if got := m.hears("RELOADING=1"); !strings.Contains(got, "\nMONOTONIC_USEC=") {
		t.Errorf("got %q", got)
	}
	m.hears("READY=1")
	h.write("nonsense\n")
	h.signal(syscall.SIGHUP)
	m.hears("RELOADING=1")
	m.hears("READY=1")
	if got := m.hears("STATUS="); !strings.Contains(got, "the last reload was refused") {
		t.Errorf("got %q", got)
	}
	m.hears("WATCHDOG=1")
	// A daemon whose socket is gone answers nobody, and must not be left alone.
	if err := os.Remove(h.socket()); err != nil {
		t.Fatal(err)
	}
	h.log.await("watchdog beat withheld.*not running")
	h.signal(syscall.SIGTERM)
	m.hears("STOPPING=1")
	if status := h.exit(); status != 0 {
		t.Errorf("status %d", status)
	}
}

// handOver starts a daemon with sockets as systemd does: sd_listen_fds(3).
func (h *house) handOver(names ...string) (addresses []string) {
	h.t.Helper()
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$@"`, "sh", binary, "serve", "--config", h.config)
	cmd.Env = environ(fmt.Sprintf("LISTEN_FDS=%d", len(names)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
	for range names {
		l := must(net.Listen("tcp", "127.0.0.1:0"))(h.t)
		f := must(l.(*net.TCPListener).File())(h.t)
		addresses = append(addresses, l.Addr().String())
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
		l.Close()
		defer f.Close()
	}
	h.start(cmd)
	return addresses
}

func TestActivation(t *testing.T) {
	h := newHouse(t, "")
	addresses := h.handOver("chat", "metrics")
	h.log.await("msg=serving")
	p := must(h.dial(addresses[0], "posko-chat"))(t)
	must(p.Do("PING"))(t)
	h.log.await(`socket of systemd's closed.*protocol=metrics`)
	h.log.await(`listening where the socket unit says.*protocol=chat`)
	h.log.await(`not listening: no socket.*protocol=files`)
	if _, err := net.Dial("tcp", addresses[1]); err == nil {
		t.Error("the socket that nobody serves is still open")
	}
	if status := h.run("", "status").out; strings.Contains(status, "files") {
		t.Errorf("it listens by itself:\n%s", status)
	}
	h.signal(syscall.SIGTERM)
	h.exit()

	h.write(strings.Replace(fastConfig, `chat = ["127.0.0.1:0"]`, "chat = []\nmetrics = [\"127.0.0.1:0\"]", 1))
	addresses = h.handOver("chat", "files", "metrics")
	h.log.await("msg=serving")
	h.log.await(`socket of systemd's closed.*protocol=chat`)
	must(h.dial(addresses[1], "posko-files"))(t)
	health := must(http.Get("http://" + addresses[2] + "/healthz"))(t)
	defer health.Body.Close()
	if health.StatusCode != http.StatusOK {
		t.Errorf("status %d", health.StatusCode)
	}
}

func TestActivationName(t *testing.T) {
	h := newHouse(t, "")
	h.handOver("chat", "chit")
	if status := h.exit(); status != 1 {
		t.Errorf("status %d", status)
	}
	h.log.await(`"chit" has no known name`)
}

func TestSameAddress(t *testing.T) {
	at := func(address string) net.Addr {
		a, err := net.ResolveTCPAddr("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	for _, tt := range []struct {
		configured, have string
		want             bool
	}{
		{":7700", "[::]:7700", true},
		{":7700", "0.0.0.0:7700", true},
		{"0.0.0.0:7700", "[::]:7700", true},
		{":7700", "[::]:7701", false},
		{":7700", "127.0.0.1:7700", false},
		{"127.0.0.1:7700", "127.0.0.1:7700", true},
		{"127.0.0.1:7700", "[::]:7700", false},
		{"[::1]:7700", "[::1]:7700", true},
		{"posko.example:7700", "192.0.2.1:7700", false},
	} {
		if got := sameAddress(tt.configured, at(tt.have)); got != tt.want {
			t.Errorf("%s and %s: got %v", tt.configured, tt.have, got)
		}
	}
}
