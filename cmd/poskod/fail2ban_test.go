package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// failregex is the filter's, as fail2ban would expand it.
func failregex(t *testing.T) *regexp.Regexp {
	t.Helper()
	filter, err := os.ReadFile("../../packaging/fail2ban/posko.conf")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^failregex = (.*)$`).FindSubmatch(filter)
	if found == nil {
		t.Fatal("the filter has no failregex")
	}
	return regexp.MustCompile(strings.NewReplacer(
		"%(__prefix_line)s", `\S+ poskod\[\d+\]: `,
		"<ADDR>", `(?:(\d+\.\d+\.\d+\.\d+)|\[([0-9a-f:]+)\])`,
	).Replace(string(found[1])))
}

// The filter finds each guess in what the daemon really logs, and nothing else.
func TestFail2ban(t *testing.T) {
	re := failregex(t)
	h := newHouse(t, "[login]\nfailures_per_pair = 2\n")
	h.user("ani")
	h.serve()
	guesses := map[string][]string{
		"posko-chat":  {"LOGIN nobody salah123", "LOGIN ani salah123", "LOGIN ani salah123", "LOGIN ani salah123"},
		"posko-files": {"PASS salah123", "PASS salah123"},
	}
	for alpn, lines := range guesses {
		protocol := strings.TrimPrefix(alpn, "posko-")
		p, err := h.dial(h.address(protocol), alpn)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if protocol == "files" {
			p.Do("USER ani")
		}
		for _, line := range lines {
			if _, err := p.Do(line); err == nil {
				t.Errorf("%s succeeded", line)
			}
		}
	}
	p, err := h.chat(h.address("chat"), "ani2")
	if err == nil {
		p.Close()
		t.Fatal("a stranger logged in")
	}
	h.log.await(`msg="login refused" .*account=ani2 .*\n`) // the last of them
	want := len(guesses["posko-chat"]) + len(guesses["posko-files"]) + 1
	seen := 0
	for line := range strings.Lines(h.log.String()) {
		line = strings.TrimSuffix(line, "\n")
		m := re.FindStringSubmatch(line)
		if m == nil {
			if strings.Contains(line, "refused") {
				t.Errorf("not found: %s", line)
			}
			continue
		}
		seen++
		if m[1] != "127.0.0.1" {
			t.Errorf("%q of %s", m[1], line)
		}
		// The journal has the same attributes behind the bare text.
		_, attrs, _ := strings.Cut(line, `msg="login refused"`)
		attrs = strings.Replace(attrs, "address=127.0.0.1:", "address=[2001:db8::1]:", 1)
		if m := re.FindStringSubmatch("host poskod[17]: login refused" + attrs); m == nil || m[2] != "2001:db8::1" {
			t.Errorf("not found in the journal's form: %s", attrs)
		}
	}
	if seen != want {
		t.Errorf("%d guesses found, want %d", seen, want)
	}
}

// A client that doesn't read is named in the log once it is cut off.
func TestSlowReaderLogged(t *testing.T) {
	h := newHouse(t, "[chat]\nrate = 0\n[limits]\noutbox = \"64KiB\"\n")
	h.user("ani")
	h.user("budi")
	h.serve()
	ani, err := h.chat(h.address("chat"), "ani")
	if err != nil {
		t.Fatal(err)
	}
	defer ani.Close()
	budi, err := h.chat(h.address("chat"), "budi")
	if err != nil {
		t.Fatal(err)
	}
	defer budi.Close()
	message := "SEND ani " + strings.Repeat("x", 8000)
	for err == nil { // until ani is not connected any more
		_, err = budi.Do(message)
	}
	h.log.await(`level=INFO msg="slow reader cut off" protocol=chat conn=\d+ address=127\.0\.0\.1:\d+ cause=overflow\n`)
}
