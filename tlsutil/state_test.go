package tlsutil

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestTrouble(t *testing.T) {
	const day = 24 * time.Hour
	now := time.Now()
	failed := errors.New("failed")
	for _, c := range []struct {
		what       string
		life, left time.Duration
		err        error
		byHand     bool
		want       string
	}{
		{"fresh", 90 * day, 89 * day, nil, true, ""},
		{"failing, but early", 90 * day, 15 * day, failed, false, ""},
		{"failing", 90 * day, 13 * day, failed, false, "renewing it fails"},
		{"to be renewed", 90 * day, 13 * day, nil, false, ""},
		{"by hand, early", 90 * day, 15 * day, nil, true, ""},
		{"by hand", 90 * day, 13 * day, nil, true, "it ends on"},
		{"short-lived, by hand", 6 * day, 5 * day, nil, true, ""},
		{"short-lived, by hand, late", 6 * day, day, nil, true, "it ends on"},
		{"short-lived, failing", 6 * day, day, failed, false, "renewing it fails"},
		{"ended", 90 * day, -time.Minute, nil, false, "it ended on"},
		{"not begun", 90 * day, 91 * day, nil, true, "not valid yet"},
	} {
		end := now.Add(c.left)
		got := State{NotBefore: end.Add(-c.life), NotAfter: end, Err: c.err, ByHand: c.byHand}.Trouble(now)
		if !strings.Contains(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
	if got := (State{Waiting: "the first start"}).Trouble(now); got != "" {
		t.Errorf("none yet: %q", got)
	}
	if got := (State{Err: failed}).Trouble(now); got == "" {
		t.Error("none to be had: no trouble")
	}
}

func TestWarn(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	synctest.Test(t, func(t *testing.T) {
		writePair(t, cert, key)
		files, err := OpenFiles([]Pair{{cert, key}}, discard)
		if err != nil {
			t.Fatal(err)
		}
		var logs logBuffer
		go Warn(t.Context(), files, logs.Logger())
		logged := func(after time.Duration) string {
			time.Sleep(after)
			synctest.Wait()
			return logs.Take()
		}
		if got := logged(75*24*time.Hour + time.Minute); got != "" {
			t.Errorf("after 75 days: %s", got)
		}
		if got := logged(14 * 24 * time.Hour); strings.Count(got, "it ends on") != 14 || !strings.Contains(got, "put a new certificate into "+cert) {
			t.Errorf("in the last 14 days: %s", got)
		}
		if got := logged(24 * time.Hour); !strings.Contains(got, "it ended on") {
			t.Errorf("after the end: %s", got)
		}
		go Warn(t.Context(), files, logs.Logger())
		if got := logged(0); !strings.Contains(got, "it ended on") {
			t.Errorf("at the start: %s", got)
		}
	})
}

func TestReadOwn(t *testing.T) {
	dir := t.TempDir()
	s, err := ReadOwn(dir, []string{"chat.example"})
	if err != nil || s.Waiting == "" || s.Names[0] != "chat.example" || !s.NotAfter.IsZero() {
		t.Errorf("before the first start: %+v, %v", s, err)
	}
	own := openOwn(t, dir, "chat.example")
	want := own.State()[0]
	if s, err = ReadOwn(dir, nil); err != nil || !s.NotAfter.Equal(want.NotAfter) || s.Tried.IsZero() || s.Source != want.Source {
		t.Errorf("got %+v, %v, want %+v", s, err, want)
	}
	write(t, filepath.Join(dir, serverFile), []byte("broken"), 0o600)
	if s, err = ReadOwn(dir, nil); err != nil || s.Err == nil || s.Waiting == "" {
		t.Errorf("a broken file: %+v, %v", s, err)
	}
}
