package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"posko/server/account"
	"posko/server/hub"
	"posko/server/line"
	"posko/server/sandbox"
)

func TestList(t *testing.T) {
	h := newHouse(t, rules{})
	h.add("ani", "rahasia1")
	g := h.login("ani", "rahasia1")
	began := time.Now().Truncate(time.Second)
	g.put("b", "12345")
	g.put("dua kata ", "")
	g.put("Z", "1")
	g.says("MKD a", "[OK] Direktori dibuat")
	g.put("a/dalam", "123")
	answer, err := g.Do("LIST")
	if err != nil {
		t.Fatal(err)
	}
	form := regexp.MustCompile(`^([df] \d+) (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ) (.*)$`)
	var got []string
	for _, row := range answer.Rows {
		part := form.FindStringSubmatch(row)
		if part == nil {
			t.Fatalf("row %q", row)
		}
		got = append(got, part[1]+" "+part[3])
		if at, err := time.Parse(time.RFC3339, part[2]); err != nil || at.Before(began) || at.After(time.Now()) {
			t.Errorf("row %q: time %v, %v; want one from %v on", row, at, err, began)
		}
	}
	if want := []string{"f 1 Z", "d 0 a", "f 5 b", "f 0 dua kata "}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	row, err := g.Do("LIST a")
	if err != nil {
		t.Fatal(err)
	}
	changed, err := g.Do("MDTM a/dalam")
	if err != nil || len(row.Rows) != 1 || row.Rows[0] != "f 3 "+changed.Text+" dalam" {
		t.Errorf("LIST %q, MDTM %q, %v", row.Rows, changed.Text, err)
	}
}

// An upload that breaks off, at whatever stage, leaves neither a name nor a
// temporary file, and what had the name before stays.
func TestUploadBrokenOff(t *testing.T) {
	for stage, send := range map[string]string{
		"announced": "ALLO 10\n",
		"accepted":  "ALLO 10\nPUT a\n",
		"begun":     "ALLO 10\nPUT a\nsatu",
		"all but 1": "ALLO 10\nPUT a\nsatu dua ",
		"typed":     "PUT a\n",
		"lines":     "PUT a\nsatu\ndua\n..\n",
		"no dot":    "PUT a\nsatu\n.",
	} {
		t.Run(stage, func(t *testing.T) {
			h := newHouse(t, rules{})
			a := h.add("ani", "rahasia1")
			g := h.login("ani", "rahasia1")
			g.put("a", "lama")
			if _, err := io.WriteString(g, send); err != nil {
				t.Fatal(err)
			}
			g.nc.(*net.TCPConn).CloseWrite()
			h.gone()
			if got := h.on(a, "tmp"); len(got) > 0 {
				t.Errorf("left over: %q", got)
			}
			again := h.login("ani", "rahasia1")
			again.says("SIZE a", "[OK] 4")
		})
	}
}

// Whoever changes an account ends its sessions, whatever they are doing.
func TestEnd(t *testing.T) {
	h := newHouse(t, rules{})
	a := h.add("ani", "rahasia1")
	h.add("budi", "rahasia2")
	h.login("ani", "rahasia1").put("besar", "")
	// More than any socket takes in for a client that doesn't read.
	if err := os.Truncate(filepath.Join(h.trees, strconv.FormatInt(a.ID, 10), "data/besar"), 1<<30); err != nil {
		t.Fatal(err)
	}
	other := h.login("budi", "rahasia2")

	idle := h.login("ani", "rahasia1")
	loading := h.login("ani", "rahasia1")
	loading.says("RETR besar", "[OK] 1073741824 byte")
	sending := h.login("ani", "rahasia1")
	sending.says("ALLO 1000000", "[OK] 1000000")
	sending.says("PUT a", "[OK] Silakan kirim")
	if _, err := sending.Write(make([]byte, 999_999)); err != nil {
		t.Fatal(err)
	}
	typing := h.login("ani", "rahasia1")
	typing.says("PUT b", `[OK] Kirim isi berkas, akhiri dengan baris "."`)
	if err := typing.Send("satu"); err != nil {
		t.Fatal(err)
	}

	if _, err := h.Accounts.SetDisabled(t.Context(), a.ID, true); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	h.Hub.End(a.ID, nil, hub.AccountDisabled)
	for _, g := range []*guest{idle, sending, typing} {
		g.hears("[INFO] Akun Anda dinonaktifkan")
		g.closed()
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("took %v", took)
	}
	for range 5 { // with the first one
		h.gone()
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("with the one that doesn't read: took %v", took)
	}
	if got := h.on(a, "tmp"); len(got) > 0 {
		t.Errorf("left over: %q", got)
	}
	if got := h.on(a, "data"); !slices.Equal(got, []string{"besar"}) {
		t.Errorf("stored: %q", got)
	}
	other.says("PWD", "[OK] /")
	late := h.dial()
	late.says("USER ani", "[OK] Masukkan password")
	late.says("PASS rahasia1", "[ERR] Username atau password salah")
}

// The words for each reason.
func TestEndReasons(t *testing.T) {
	for why, want := range map[hub.Reason]string{
		hub.AccountDeleted:  "[INFO] Akun Anda dihapus",
		hub.AccountDisabled: "[INFO] Akun Anda dinonaktifkan",
		hub.PasswordChanged: "[INFO] Password Anda diganti",
	} {
		h := newHouse(t, rules{})
		a := h.add("ani", "rahasia1")
		g := h.login("ani", "rahasia1")
		h.Hub.End(a.ID, nil, why)
		g.hears(want)
		g.closed()
	}
}

// A slow store runs what comes between the look at an account and the session
// that rests on it.
type slow struct {
	account.Store
	between func(account.Account)
}

func (s slow) AccountByName(ctx context.Context, key string) (account.Account, error) {
	a, err := s.Store.AccountByName(ctx, key)
	if err == nil {
		s.between(a)
	}
	return a, err
}

// An account that is disabled while its password is being checked is not let in.
func TestLoginOvertaken(t *testing.T) {
	var h *house
	h = newHouse(t, rules{accounts: func(all account.Store) account.Store {
		return slow{all, func(a account.Account) {
			if _, err := h.Accounts.SetDisabled(context.Background(), a.ID, true); err != nil {
				t.Error(err)
			}
			h.Hub.End(a.ID, nil, hub.AccountDisabled)
		}}
	}})
	h.add("ani", "rahasia1")
	g := h.dial()
	g.says("USER ani", "[OK] Masukkan password")
	g.says("PASS rahasia1", "[ERR] Username atau password salah")
	g.says("LIST", "[ERR] Silakan login dahulu")
}

// Where the disk is full, ALLO says so, and a PUT ends the connection with its
// content unread.
func TestDiskFull(t *testing.T) {
	h := newHouse(t, rules{reserve: 1 << 62})
	a := h.add("ani", "rahasia1")
	g := h.login("ani", "rahasia1")
	g.says("ALLO 5\nPUT a\nMKD b", "[ERR] Ruang penyimpanan penuh")
	g.hears("[ERR] ALLO sebelumnya ditolak")
	g.closed()
	g = h.login("ani", "rahasia1")
	g.says("PUT a\nMKD b\n.\nMKD b", "[ERR] Ruang penyimpanan penuh")
	g.closed()
	if got := h.on(a, "data"); len(got) > 0 {
		t.Errorf("made: %q", got)
	}
}

// A directory that goes away under an upload makes the second answer a refusal,
// and the connection goes on behind the content.
func TestDirectoryGoesDuringUpload(t *testing.T) {
	h := newHouse(t, rules{})
	a := h.add("ani", "rahasia1")
	g, other := h.login("ani", "rahasia1"), h.login("ani", "rahasia1")
	g.says("MKD d", "[OK] Direktori dibuat")
	g.says("ALLO 5", "[OK] 5")
	g.says("PUT d/a", "[OK] Silakan kirim")
	other.says("RMD d", "[OK] Direktori dihapus")
	g.says("MKD x"+"PWD", "[ERR] Berkas tidak ditemukan")
	g.hears("[OK] /")
	if got := h.on(a, "tmp"); len(got) > 0 {
		t.Errorf("left over: %q", got)
	}
}

// What a reader has open stays as it was.
func TestReplacedWhileReading(t *testing.T) {
	h := newHouse(t, rules{})
	h.add("ani", "rahasia1")
	reader, writer := h.login("ani", "rahasia1"), h.login("ani", "rahasia1")
	old := strings.Repeat("lama ", 4<<20)
	writer.put("a", old)
	reader.says("RETR a", "[OK] 20971520 byte")
	writer.put("a", "baru")
	writer.says("DEL a", "[OK] Berkas dihapus")
	var got bytes.Buffer
	if err := reader.ReadData(&got, int64(len(old))); err != nil || got.String() != old {
		t.Errorf("%d bytes, %v; not the old content", got.Len(), err)
	}
	reader.says("SIZE a", "[ERR] Berkas tidak ditemukan")
}

// A server that stops lets an upload end.
func TestStop(t *testing.T) {
	h := newHouse(t, rules{})
	a := h.add("ani", "rahasia1")
	g, idle := h.login("ani", "rahasia1"), h.login("ani", "rahasia1")
	g.says("ALLO 5", "[OK] 5")
	g.says("PUT a", "[OK] Silakan kirim")
	for _, c := range []*guest{g, idle} {
		c.conn.Stop()
	}
	idle.hears("[INFO] Server berhenti")
	idle.closed()
	if _, err := io.WriteString(g, "12345"); err != nil {
		t.Fatal(err)
	}
	g.hears("[OK] Berkas tersimpan")
	g.hears("[INFO] Server berhenti")
	g.closed()
	if got := h.on(a, "data"); !slices.Equal(got, []string{"a"}) {
		t.Errorf("stored: %q", got)
	}
}

// The log tells who came and who was refused, and never a password.
func TestLog(t *testing.T) {
	h := newHouse(t, rules{})
	h.add("Ani", "rahasia1")
	g := h.dial()
	from := g.nc.LocalAddr().String()
	g.says("USER ani", "[OK] Masukkan password")
	g.says("PASS rahasia2", "[ERR] Username atau password salah")
	g.says("PASS rahasia3 x", "[ERR] Format perintah tidak sesuai")
	g.says("PSS rahasia4", "[ERR] Perintah tidak dikenal")
	g.says("PASS rahasia1", "[OK] login berhasil")
	g.says("EXIT", "[OK] Sampai jumpa")
	g.Close()
	h.gone()
	log := h.log.String()
	for _, want := range []string{
		`level=INFO msg="login refused" account=ani address=` + from + ` err="account: wrong password"`,
		`level=INFO msg=login account=Ani address=` + from,
		`level=INFO msg=logout account=Ani address=` + from,
	} {
		if !strings.Contains(log, want+"\n") {
			t.Errorf("no line with %q in\n%s", want, log)
		}
	}
	if strings.Contains(log, "rahasia") {
		t.Errorf("a password in\n%s", log)
	}
}

// What was put into the tree by hand is not there; only its name is taken.
func TestByHand(t *testing.T) {
	h := newHouse(t, rules{})
	a := h.add("ani", "rahasia1")
	g := h.login("ani", "rahasia1")
	link := filepath.Join(h.trees, strconv.FormatInt(a.ID, 10), "data/tautan")
	if err := os.Symlink("/etc", link); err != nil {
		t.Fatal(err)
	}
	g.says("LIST", "[OK] 0 baris")
	for _, command := range []string{"LIST", "RETR", "CD", "DEL", "RMD", "RNFR", "SIZE", "MDTM"} {
		g.says(command+" tautan", "[ERR] Berkas tidak ditemukan")
	}
	g.says("RETR tautan/passwd", "[ERR] Berkas tidak ditemukan")
	g.says("MKD tautan", "[ERR] Sudah ada")
	g.says("PUT tautan", "[ERR] Sudah ada")
	g.closed()
	if to, err := os.Readlink(link); err != nil || to != "/etc" {
		t.Errorf("the link leads to %q, %v", to, err)
	}
}

// With its last session an account's tree is given back.
func TestTreeGivenBack(t *testing.T) {
	h := newHouse(t, rules{})
	a := h.add("ani", "rahasia1")
	h.login("ani", "rahasia1").Close()
	h.gone()
	// Who still had it open would go on in the old one.
	tree := filepath.Join(h.trees, strconv.FormatInt(a.ID, 10))
	if err := os.Rename(tree, tree+".old"); err != nil {
		t.Fatal(err)
	}
	h.login("ani", "rahasia1").put("a", "")
	if got := h.on(a, "data"); !slices.Equal(got, []string{"a"}) {
		t.Errorf("stored: %q", got)
	}
}

// A change of which nobody can know whether it will last is not answered.
func TestUncertain(t *testing.T) {
	table := line.NewTable(phrases, nil, line.Command[*session]{
		Name: "DEL", Help: "fail", Needs: line.Anytime, Refuses: change,
		Run: func(*session, context.Context, *line.Call) error {
			return fmt.Errorf("%w: %w", sandbox.ErrUncertain, io.ErrShortWrite)
		},
	})
	engine := line.Dialect[*session]{
		Table: table,
		Open:  func(*line.Conn) *session { return nil },
		Close: func(*session, bool) {},
	}
	ours, theirs := net.Pipe()
	ended := make(chan error, 1)
	c := line.NewConn(theirs, &line.Options{}, 1)
	engine.Start(t.Context(), c, func(err error) { ended <- err })
	client := line.NewClient(ours)
	if _, err := client.Do("DEL"); err != io.EOF {
		t.Errorf("got %v, want the end", err)
	}
	ours.Close()
	if err := <-ended; !errors.Is(err, sandbox.ErrUncertain) {
		t.Errorf("ended with %v", err)
	}
}
