package line

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// script returns a client of a server that says text, then closes.
func script(t *testing.T, text string) *Client {
	near, far := net.Pipe()
	said := make(chan struct{})
	go func() {
		defer close(said)
		io.WriteString(far, text)
		far.Close()
	}()
	t.Cleanup(func() {
		near.Close()
		<-said
	})
	return NewClient(near)
}

func TestAnswer(t *testing.T) {
	longest := repeat("a", MaxReply-len("[OK] \n"))
	for sent, test := range map[string]struct {
		want Answer
		err  error
	}{
		"[OK] done\n":                 {want: Answer{Text: "done"}},
		"[OK] \n":                     {},
		"[OK] " + longest + "\n":      {want: Answer{Text: longest}},
		"[OK] a" + longest + "\n":     {err: ErrProtocol},
		"[ERR] no\n":                  {err: Refusal("no")},
		"[MSG] a b\n[OK] done\n":      {want: Answer{Text: "done"}},
		"[OK] 0 baris\n":              {want: Answer{Text: "0 baris"}},
		"[OK] 2 baris\n[OK] a\n[M]\n": {want: Answer{Text: "2 baris", Rows: []string{"[OK] a", "[M]"}}},
		"[OK] 2 baris\na\n":           {err: io.ErrUnexpectedEOF, want: Answer{Text: "2 baris", Rows: []string{"a"}}},
		"[OK] -2 baris\n":             {want: Answer{Text: "-2 baris"}},
		"[OK] two baris\n":            {want: Answer{Text: "two baris"}},
		"[OK] 7 byte\n":               {want: Answer{Text: "7 byte", Bytes: 7}},
		"[OK] 7 bytes\n":              {want: Answer{Text: "7 bytes"}},
		"done\n":                      {err: ErrProtocol},
		"\n":                          {err: ErrProtocol},
		"":                            {err: io.EOF},
		"[OK] don":                    {err: io.ErrUnexpectedEOF},
		"[OK] 99999999999999999999 byte\n": {
			want: Answer{Text: "99999999999999999999 byte"}},
	} {
		got, err := script(t, sent).Answer()
		if !errors.Is(err, test.err) {
			t.Errorf("%.60q is the error %v, want %v", sent, err, test.err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%.60q: %s", sent, diff)
		}
	}
}

func TestEvent(t *testing.T) {
	c := script(t, "[MSG] a one\n[OK] 1 baris\n[MSG] a row\n[INFO] two\n[ERR] no\n")
	var events []string
	c.Event = func(text string) { events = append(events, text) }
	if a, err := c.Answer(); err != nil || len(a.Rows) != 1 {
		t.Errorf("%v, %v", a, err)
	}
	if _, err := c.Answer(); err != Refusal("no") {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"[MSG] a one", "[INFO] two"}, events); diff != "" {
		t.Error(diff)
	}
}

func TestReadData(t *testing.T) {
	c := script(t, "[OK] 5 byte\na\nb\n\n[OK] next\nabc")
	a, err := c.Answer()
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := c.ReadData(&got, a.Bytes); err != nil || got.String() != "a\nb\n\n" {
		t.Errorf("%q, %v", got.String(), err)
	}
	if a, err := c.Answer(); err != nil || a.Text != "next" {
		t.Errorf("%v, %v", a, err)
	}
	if err := c.ReadData(io.Discard, 4); err != io.ErrUnexpectedEOF {
		t.Errorf("data that breaks off gives %v", err)
	}
}

// TestClientUpload sends data by the client's Write.
func TestClientUpload(t *testing.T) {
	h := newHouse()
	var got bytes.Buffer
	h.sink = &got
	u, _ := h.dial(t, h.listen(t, Options{}))
	u.login()
	if a, err := u.Do("PUT name 3"); err != nil || a.Text != "send" {
		t.Fatal(a, err)
	}
	if _, err := u.Write([]byte("abc")); err != nil {
		t.Fatal(err)
	}
	if a, err := u.Answer(); err != nil || a.Text != "stored" || got.String() != "abc" {
		t.Errorf("%v, %v; stored %q", a, err, got.String())
	}
	if _, err := u.Do("REFUSE"); err != Refusal("no such thing") {
		t.Error(err)
	}
	if err := u.Close(); err != nil {
		t.Error(err)
	}
}
