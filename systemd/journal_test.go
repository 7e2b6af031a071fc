package systemd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	_ "unsafe" // for go:linkname

	"github.com/google/go-cmp/cmp"
)

// journalSocket is where go-systemd sends; it is a variable there so that a
// build can set it.
//
//go:linkname journalSocket github.com/coreos/go-systemd/v22/journal.journalSocket
var journalSocket string

// listenJournal stands in for journald. The function it returns waits for the
// next entry.
func listenJournal(t *testing.T) (next func() map[string]string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "journal")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	real := journalSocket
	journalSocket = path
	t.Cleanup(func() { journalSocket = real })
	return func() map[string]string {
		t.Helper()
		buf := make([]byte, 64<<10)
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		return parseEntry(t, buf[:n])
	}
}

// parseEntry reads an entry as journald does: NAME=value and a newline, or
// NAME, a newline, the length in eight bytes, the value and a newline.
func parseEntry(t *testing.T, entry []byte) map[string]string {
	t.Helper()
	fields := make(map[string]string)
	for len(entry) > 0 {
		line, rest, ok := bytes.Cut(entry, []byte("\n"))
		if !ok {
			t.Fatalf("no newline in %q", entry)
		}
		name, value, plain := bytes.Cut(line, []byte("="))
		if !plain {
			size := binary.LittleEndian.Uint64(rest)
			value, rest = rest[8:8+size], rest[8+size+1:]
		}
		if _, double := fields[string(name)]; double {
			t.Errorf("field %s twice", name)
		}
		fields[string(name)], entry = string(value), rest
	}
	return fields
}

func TestJournal(t *testing.T) {
	next := listenJournal(t)
	log := slog.New(newJournalHandler(slog.LevelInfo))
	conn := log.With("conn", 7).WithGroup("tls")
	for _, test := range []struct {
		log  func()
		want map[string]string
	}{
		{
			func() { log.Info("started") },
			map[string]string{"MESSAGE": "started", "PRIORITY": "6"},
		}, {
			func() {
				log.Debug("not logged")
				log.Error("cannot open", "err", errors.New("no such file"), "file-name", "a b")
			},
			map[string]string{"MESSAGE": `cannot open err="no such file" file-name="a b"`, "PRIORITY": "3",
				"POSKO_ERR": "no such file", "POSKO_FILE_NAME": "a b"},
		}, {
			func() { conn.Warn("handshake", "version", "1.3", slog.Group("peer", "addr", "::1")) },
			map[string]string{"MESSAGE": "handshake conn=7 tls.version=1.3 tls.peer.addr=::1", "PRIORITY": "4",
				"POSKO_CONN": "7", "POSKO_TLS_VERSION": "1.3", "POSKO_TLS_PEER_ADDR": "::1"},
		}, {
			func() { log.Info("level", "msg", "mine", "level", "high") },
			map[string]string{"MESSAGE": "level msg=mine level=high", "PRIORITY": "6",
				"POSKO_MSG": "mine", "POSKO_LEVEL": "high"},
		}, {
			func() { log.Info("login failed", "account", "x\nPRIORITY=0\nMESSAGE=forged\x00") },
			map[string]string{"MESSAGE": `login failed account="x\nPRIORITY=0\nMESSAGE=forged\x00"`, "PRIORITY": "6",
				"POSKO_ACCOUNT": "x\nPRIORITY=0\nMESSAGE=forged\x00"},
		}, {
			func() { log.Info("odd keys", "a=b\nc", "1", strings.Repeat("k", 99), "2") },
			map[string]string{"MESSAGE": `odd keys "a=b\nc"=1 ` + strings.Repeat("k", 99) + "=2", "PRIORITY": "6",
				"POSKO_A_B_C": "1", "POSKO_" + strings.Repeat("K", 58): "2"},
		},
	} {
		test.want["SYSLOG_IDENTIFIER"] = "poskod"
		test.log()
		if diff := cmp.Diff(test.want, next()); diff != "" {
			t.Errorf("entry (-want +got):\n%s", diff)
		}
	}
}

func TestNewJournalHandler(t *testing.T) {
	var stderr syscall.Stat_t
	if err := syscall.Fstat(int(os.Stderr.Fd()), &stderr); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		stream      string
		handler, ok bool
	}{
		{"", false, true},
		{fmt.Sprintf("%d:%d", stderr.Dev, stderr.Ino), true, true},
		{fmt.Sprintf("%d:%d", stderr.Dev, stderr.Ino+1), false, true},
		{"journal", false, false},
	} {
		t.Setenv("JOURNAL_STREAM", test.stream)
		h, err := NewJournalHandler(slog.LevelInfo)
		if (h != nil) != test.handler || (err == nil) != test.ok {
			t.Errorf("JOURNAL_STREAM=%q: handler %v, error %v", test.stream, h, err)
		}
	}
}
