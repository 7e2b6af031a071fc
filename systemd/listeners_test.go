package systemd

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestMain turns the test binary into the activated daemon when askListeners
// is set: only a process of its own can have descriptors from 3 on and
// LISTEN_PID name it.
func TestMain(m *testing.M) {
	if os.Getenv(askListeners) == "" {
		os.Exit(m.Run())
	}
	os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
	listeners, err := Listeners()
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	for _, name := range socketNames {
		for _, l := range listeners[name] {
			fmt.Println(name, l.Addr())
		}
	}
	again, err := Listeners()
	fmt.Println("again:", again == nil, err, os.Getenv("LISTEN_FDS"))
}

const askListeners = "POSKO_TEST_ASK_LISTENERS"

// activated runs the test binary with the files as systemd would hand them
// over and returns what it printed.
func activated(t *testing.T, names string, files ...*os.File) string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), askListeners+"=1", "GORACE=atexit_sleep_ms=0",
		"LISTEN_FDS="+strconv.Itoa(len(files)), "LISTEN_FDNAMES="+names)
	cmd.ExtraFiles = files
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("activated process: %v\n%s", err, out)
	}
	return string(out)
}

func tcpFile(t *testing.T) (addr string, f *os.File) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err = l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return l.Addr().String(), f
}

func TestListeners(t *testing.T) {
	files, filesFD := tcpFile(t)
	chat, chatFD := tcpFile(t)
	second, secondFD := tcpFile(t)

	got := activated(t, "files:chat:chat", filesFD, chatFD, secondFD)
	want := fmt.Sprintf("chat %s\nchat %s\nfiles %s\nagain: true <nil> \n", chat, second, files)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("listeners (-want +got):\n%s", diff)
	}
}

func TestNoListeners(t *testing.T) {
	if got, want := activated(t, ""), "again: true <nil> \n"; got != want {
		t.Errorf("without sockets: %q, want %q", got, want)
	}
}

func TestListenersRefused(t *testing.T) {
	_, tcp := tcpFile(t)
	unixListener, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer unixListener.Close()
	unixFD, err := unixListener.(*net.UnixListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer unixFD.Close()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	udpFD, err := udp.(*net.UDPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer udpFD.Close()

	for _, test := range []struct {
		names string
		file  *os.File
		want  string
	}{
		{"poskod-chat.socket", tcp, `socket "poskod-chat.socket" has no known name`},
		{"", tcp, `socket "LISTEN_FD_3" has no known name`},
		{"chat", unixFD, `socket "chat" is not a listening TCP socket but unix`},
		{"chat", udpFD, `socket "chat" is not a listening TCP socket: `},
	} {
		if got := activated(t, test.names, test.file); !strings.HasPrefix(got, "error: ") || !strings.Contains(got, test.want) {
			t.Errorf("names %q: %q, want an error with %q", test.names, got, test.want)
		}
	}
}

// TestUnits holds the names of the sockets in Go and in the units together.
func TestUnits(t *testing.T) {
	const daemon, acme = "poskod.service ", "poskod-acme.service "
	want := map[string]string{
		"poskod-chat.socket":      daemon + ChatSocket + " 7700",
		"poskod-files.socket":     daemon + FilesSocket + " 7721",
		"poskod-metrics.socket":   daemon + MetricsSocket + " 127.0.0.1:9770",
		"poskod-acme-http.socket": acme + ACMEHTTPSocket + " 80",
		"poskod-acme-alpn.socket": acme + ACMEALPNSocket + " 443",
	}
	got := make(map[string]string)
	sockets, err := filepath.Glob("*.socket")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range sockets {
		socket := settings(t, file)
		got[file] = strings.Join(slices.Concat(socket["Service"], socket["FileDescriptorName"], socket["ListenStream"]), " ")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("socket units (-want +got):\n%s", diff)
	}
}

// settings reads a unit file's lines of the form Key=value.
func settings(t *testing.T, file string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	values := make(map[string][]string)
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), "="); ok && !strings.HasPrefix(key, "#") {
			values[key] = append(values[key], value)
		}
	}
	return values
}
