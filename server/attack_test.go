package server

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	noFile = "Berkas tidak ditemukan"
	noName = "Nama tidak sah"
	denied = "Tidak diizinkan"
)

// A ground is where an account has files: its own tree or a group's folder.
type ground struct {
	*house
	dir  string // virtual
	disk string // on the disk
}

// everywhere runs a test on both grounds, each in a house of its own.
func everywhere(t *testing.T, test func(t *testing.T, h *ground)) {
	t.Parallel()
	for name, dir := range map[string]string{"own": "/", "group": "/grup/dapur"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, testConfig())
			h.user("ani", "rahasia1")
			h.user("budi", "rahasia2")
			g := &ground{h, dir, h.on("ani", "")}
			if name == "group" {
				h.group("dapur", "kunci", "budi", "ani")
				g.disk = h.onGroup("dapur", "")
			}
			test(t, g)
		})
	}
}

// enter logs ani in, and goes there.
func (g *ground) enter(d *net.Dialer) *peer {
	g.tb.Helper()
	p := g.loginBy(d, ProtocolFiles, "ani", "rahasia1")
	p.ask("CD "+g.dir, g.dir)
	return p
}

// at is where one of the tree's directories is on the disk.
func (g *ground) at(place string) string { return filepath.Join(g.disk, place) }

// Whatever a name says, it leads nowhere but into the account's own tree.
func TestTraversal(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	h.user("ani", "rahasia1")
	h.user("budi", "rahasia2")
	h.login(ProtocolFiles, "budi", "rahasia2").put("surat", "milik budi")
	p := h.login(ProtocolFiles, "ani", "rahasia1")
	p.ask("MKD d", "Direktori dibuat")
	p.put("d/a", "isi")
	budi := strconv.FormatInt(h.find("budi").ID, 10)
	for _, name := range []string{
		"../../posko.db", "/../../../posko.db", "d/../../../posko.db", "d/./.././../posko.db",
		"../../" + budi + "/data/surat", "/../" + budi + "/data/surat", "../tmp", "..//..//lock",
		filepath.Join(h.dir, "posko.db"), h.on("budi", "data/surat"), "/etc/passwd", "//etc/passwd",
		"/proc/self/root/etc/passwd", "file:///etc/passwd", `..\..\posko.db`, "%2e%2e/%2e%2e/posko.db", "~/x", "d/a/../../..",
	} {
		for _, verb := range []string{
			"RETR", "DEL", "CD", "LIST", "SIZE", "MDTM", "RMD", "RNFR", "HASH", "UNDEL", "MFMT 2026-01-31T23:59:59Z",
		} {
			a, err := p.Do(verb + " " + name)
			// What is left of some of them are the names of the own root and
			// of what is in it.
			if err == nil && (verb == "CD" || verb == "LIST" || verb == "RNFR") && strings.HasSuffix(name, "..") {
				continue
			}
			if err == nil {
				t.Errorf("%s %s: %q %q", verb, name, a.Text, a.Rows)
			}
		}
	}
	p.ask("CD d/../../../..", "/")
	if a := p.ask("LIST ../..", "1 baris"); !strings.HasSuffix(a.Rows[0], " d") {
		t.Errorf("above the root: %q", a.Rows)
	}
	p.put("../../luar", "x")
	p.ask("SIZE /luar", "1")
	p.ask("RNFR luar", "Silakan kirim RNTO")
	p.ask("RNTO ../../../posko.db", "Nama diganti")
	p.ask("SIZE /posko.db", "1")
	if got := h.login(ProtocolFiles, "budi", "rahasia2").get("surat"); got != "milik budi" {
		t.Errorf("got %q", got)
	}
}

// From a group's folder a name leads nowhere but into it and into the account's
// own tree: not into other folders, whatever is said of them.
func TestTraversalFromFolder(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	h.user("ani", "rahasia1")
	h.user("budi", "rahasia2")
	h.group("dapur", "kunci", "budi", "ani")
	h.group("kebun", "kunci", "budi")
	budi := h.login(ProtocolFiles, "budi", "rahasia2")
	budi.put("/grup/kebun/surat", "milik kebun")
	budi.put("/surat", "milik budi")
	budi.put("/grup/dapur/surat", "milik dapur")
	p := h.login(ProtocolFiles, "ani", "rahasia1")
	p.ask("CD /grup/dapur", "/grup/dapur")
	kebun := filepath.Base(h.onGroup("kebun", ""))
	for _, name := range []string{
		"../kebun/surat", "/grup/kebun/surat", "/grup/KEBUN/surat", "/grup/dapur/../kebun/surat", "/grup//kebun//surat",
		"../../../posko.db", "../../" + kebun + "/data/surat", "../" + kebun + "/surat", "/grup/" + kebun + "/surat",
		"../tmp", "/grup/dapur/../tmp", "/grup/../../../posko.db", h.onGroup("kebun", "data/surat"), h.onGroup("dapur", "data/surat"),
		"/grup/dapur /surat", "/grup/dapur\u00a0/surat", "/grup/dap%75r/surat", `/grup\kebun\surat`, "/GRUP/dapur/surat",
	} {
		for _, verb := range []string{
			"RETR", "DEL", "CD", "LIST", "SIZE", "MDTM", "RMD", "RNFR", "HASH", "UNDEL", "MFMT 2026-01-31T23:59:59Z",
		} {
			if a, err := p.Do(verb + " " + name); err == nil {
				t.Errorf("%s %s: %q %q", verb, name, a.Text, a.Rows)
			}
		}
		p.ask("RNFR surat", "Silakan kirim RNTO")
		if _, err := p.Do("RNTO " + name); err == nil {
			t.Errorf("RNTO %s", name)
		}
	}
	if got := p.get("/grup/DaPuR/../dapur/surat"); got != "milik dapur" {
		t.Errorf("got %q", got)
	}
	if got := budi.get("/grup/kebun/surat"); got != "milik kebun" {
		t.Errorf("got %q", got)
	}
}

// What is reserved for groups can be neither made nor gone into.
func TestReservedName(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	h.user("ani", "rahasia1")
	p := h.login(ProtocolFiles, "ani", "rahasia1")
	p.put("a", "isi")
	p.ask("MKD d", "Direktori dibuat")
	for command, say := range map[string]string{
		"MKD /grup": denied, "MKD grup/": denied, "MKD d/../grup": denied, "MKD grup/dapur": denied,
		"RMD grup": denied, "DEL grup": denied,
		"UNDEL grup": denied, "UNDEL grup/a": denied, "MFMT 2026-01-31T23:59:59Z grup": denied,
		"CD grup": noFile, "LIST /grup": noFile, "RETR grup/a": noFile, "SIZE grup": noFile, "RNFR grup": noFile,
		"CD grup/dapur": noFile, "HASH grup": noFile, "MDTM /grup/": noFile, "PART grup": noFile, "PART grup/dapur/a": noFile,
	} {
		p.refused(command, say)
	}
	for _, source := range []string{"a", "d"} {
		p.ask("RNFR "+source, "Silakan kirim RNTO")
		p.refused("RNTO grup", denied)
	}
	p.ask("MKD d/grup", "Direktori dibuat") // elsewhere it is a name like any other
	p.ask("MKD GRUP", "Direktori dibuat")   // and so it is in capitals
	p.ask("LIST grup/..", "3 baris")
	for _, name := range []string{"grup", "/grup", "grup/", "./grup/.", "d/../grup", "grup/a", "//grup//dapur//a"} {
		q := h.login(ProtocolFiles, "ani", "rahasia1")
		q.refused("PUT "+name, denied)
		q.leave()
	}
}

// Links, FIFOs, sockets, devices and files with a second name look like
// nothing, and block nobody.
func TestPlanted(t *testing.T) { everywhere(t, testPlanted) }

func testPlanted(t *testing.T, h *ground) {
	p := h.enter(&net.Dialer{})
	p.put("a", "isi")
	p.ask("MKD d", "Direktori dibuat")
	p.put("d/a", "isi d")
	data := h.at("data")
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("RAHASIA"), 0o600); err != nil {
		t.Fatal(err)
	}
	planted := map[string]error{
		"mutlak":  os.Symlink(secret, filepath.Join(data, "mutlak")),
		"relatif": os.Symlink("../../../posko.db", filepath.Join(data, "relatif")),
		"dalam":   os.Symlink("a", filepath.Join(data, "dalam")),
		"dir":     os.Symlink("d", filepath.Join(data, "dir")),
		"luar":    os.Symlink(filepath.Dir(secret), filepath.Join(data, "luar")),
		"putus":   os.Symlink("tiada", filepath.Join(data, "putus")),
		"lingkar": os.Symlink("lingkar", filepath.Join(data, "lingkar")),
		"pipa":    unix.Mkfifo(filepath.Join(data, "pipa"), 0o600),
		"keras":   os.Link(secret, filepath.Join(data, "keras")),
		"soket":   unix.Mknod(filepath.Join(data, "soket"), unix.S_IFSOCK|0o600, 0),
	}
	for name, err := range planted {
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if os.Geteuid() == 0 { // others can't make devices
		if err := unix.Mknod(filepath.Join(data, "alat"), unix.S_IFCHR|0o600, int(unix.Mkdev(1, 5))); err == nil {
			planted["alat"] = nil
		}
	}
	for name := range planted {
		for _, end := range []string{"", "/", "/.", "/a", "/secret", "/../" + name} {
			for _, verb := range []string{"LIST", "RETR", "DEL", "CD", "RNFR", "SIZE", "MDTM", "RMD"} {
				p.refused(verb+" "+name+end, noFile)
			}
		}
		p.refused("MKD "+name, "Sudah ada")
		p.refused("MKD "+name+"/baru", noFile)
		p.ask("RNFR a", "Silakan kirim RNTO")
		p.refused("RNTO "+name, "Sudah ada")
		for _, put := range []struct{ name, say string }{{name, "Sudah ada"}, {name + "/baru", noFile}} {
			q := h.enter(&net.Dialer{})
			q.refused("PUT "+put.name, put.say)
			q.leave()
		}
		if _, err := os.Lstat(filepath.Join(data, name)); err != nil {
			t.Errorf("%s was touched: %v", name, err)
		}
	}
	rows := p.ask("LIST", "2 baris").Rows
	if !strings.HasSuffix(rows[0], " a") || !strings.HasSuffix(rows[1], " d") {
		t.Errorf("listed: %q", rows)
	}
	if b, err := os.ReadFile(secret); string(b) != "RAHASIA" {
		t.Errorf("the secret is %q, %v", b, err)
	}
	empty(t, h.at("tmp"))
}

// While a directory is swapped with a link out of the tree by one hand, and
// renamed by another session, nothing outside is read, written or listed.
func TestSwap(t *testing.T) { everywhere(t, testSwap) }

func testSwap(t *testing.T, h *ground) {
	p := h.enter(&net.Dialer{})
	p.ask("MKD d", "Direktori dibuat")
	p.put("d/a", "isi")
	data, outside := h.at("data"), t.TempDir()
	for _, name := range []string{"a", "luar"} {
		if err := os.WriteFile(filepath.Join(outside, name), []byte("RAHASIA"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(outside, filepath.Join(data, "link")); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var hands sync.WaitGroup
	swaps := 0
	hands.Go(func() {
		for ; ; swaps++ {
			select {
			case <-stop:
				return
			default:
				for _, move := range [][2]string{{"d", "aside"}, {"link", "d"}, {"d", "link"}, {"aside", "d"}} {
					os.Rename(filepath.Join(data, move[0]), filepath.Join(data, move[1]))
				}
			}
		}
	})
	second := h.enter(&net.Dialer{})
	hands.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				second.Do("RNFR d")
				second.Do("RNTO e")
				second.Do("RNFR e")
				second.Do("RNTO d")
			}
		}
	})
	found := 0
	for end := time.Now().Add(time.Second); time.Now().Before(end) || found == 0 && time.Now().Before(end.Add(patience)); {
		a, err := p.Do("RETR d/a")
		if err == nil {
			found++
			if got := p.data(a.Bytes); got != "isi" {
				t.Fatalf("read %q", got)
			}
		}
		if a, err := p.Do("LIST d"); err == nil && strings.Contains(strings.Join(a.Rows, "\n"), "luar") {
			t.Fatalf("listed %q", a.Rows)
		}
		p.Do("DEL d/luar")
		p.Do("MKD d/baru")
		p.Do("RMD d/baru")
	}
	close(stop)
	hands.Wait()
	if found == 0 || swaps < 100 {
		t.Errorf("%d reads, %d swaps: that is no race", found, swaps)
	}
	all, err := os.ReadDir(outside)
	if err != nil || len(all) != 2 {
		t.Errorf("outside: %v, %v", all, err)
	}
}

// Wherever an upload breaks off, nothing of it is visible and nothing is left;
// what was there before is as it was.
func TestUploadBroken(t *testing.T) { everywhere(t, testUploadBroken) }

func testUploadBroken(t *testing.T, h *ground) {
	h.enter(&net.Dialer{}).put("lama", "isi lama")
	for _, how := range []struct {
		name string
		end  func(p *peer)
	}{
		{"RST", (*peer).cut},
		{"close", func(p *peer) { p.Close() }}, // with a close_notify: no less incomplete
		{"FIN", func(p *peer) { p.tcp.Close() }},
	} {
		for _, name := range []string{"lama", "baru"} {
			for _, sent := range []int{0, 1, 999} {
				p := h.enter(&net.Dialer{})
				p.ask("ALLO 1000", "1000")
				p.ask("PUT "+name, "Silakan kirim")
				io.WriteString(p, noise(sent))
				how.end(p)
			}
			for _, sent := range []string{"", "satu", "satu\n", "satu\n..", "satu\n.", "satu\n\n. \n"} {
				p := h.enter(&net.Dialer{})
				p.ask("PUT "+name, `Kirim isi berkas, akhiri dengan baris "."`)
				io.WriteString(p, sent)
				how.end(p)
			}
		}
	}
	eventually(t, "all have gone", func() bool { return h.clients() == 1 })
	empty(t, h.at("tmp"))
	p := h.enter(&net.Dialer{})
	p.ask("LIST", "1 baris")
	if got := p.get("lama"); got != "isi lama" {
		t.Errorf("got %q", got)
	}
	// With all of its content there, whoever breaks off before the answer
	// may find the file, whole, or not.
	for range 10 {
		p := h.enter(&net.Dialer{})
		p.ask("ALLO 100000", "100000")
		p.ask("PUT baru", "Silakan kirim")
		io.WriteString(p, noise(100_000))
		p.cut()
	}
	eventually(t, "all have gone", func() bool { return h.clients() == 2 })
	empty(t, h.at("tmp"))
	if _, err := p.Do("SIZE baru"); err == nil && p.get("baru") != noise(100_000) {
		t.Error("a file is there in part")
	}
}

// A refused upload whose content is on the way already ends the connection. Its
// content never runs, and the client still learns why.
func TestUploadRefused(t *testing.T) { everywhere(t, testUploadRefused) }

func testUploadRefused(t *testing.T, h *ground) {
	p := h.enter(&net.Dialer{})
	p.put("simpan", "isi")
	p.ask("MKD d", "Direktori dibuat")
	content := strings.Repeat("DEL simpan\nMKD jebakan\n.\nNOOP\n", 1<<20/30)
	sized := "ALLO " + strconv.Itoa(len(content)) + "\n"
	for _, try := range []struct {
		before  string
		answers []string
	}{
		{sized + "PUT tiada/x\n", []string{"[OK] " + strconv.Itoa(len(content)), "[ERR] " + noFile}},
		{sized + "PUT d\n", []string{"[OK] " + strconv.Itoa(len(content)), "[ERR] Bukan berkas"}},
		{sized + "PUT a\x01b\n", []string{"[OK] " + strconv.Itoa(len(content)), "[ERR] Format perintah tidak sesuai"}},
		{sized + "PUT\n", []string{"[OK] " + strconv.Itoa(len(content)), "[ERR] Format perintah tidak sesuai"}},
		{sized + "PUT " + strings.Repeat("x", 9000) + "\n", []string{"[OK] " + strconv.Itoa(len(content)), "[ERR] Baris terlalu panjang"}},
		{"ALLO banyak\nPUT x\n", []string{"[ERR] Format perintah tidak sesuai", "[ERR] ALLO sebelumnya ditolak"}},
		{"ALLO 9223372036854775808\nPUT x\n", []string{"[ERR] Format perintah tidak sesuai", "[ERR] ALLO sebelumnya ditolak"}},
		{"PUT /grup/x\n", []string{"[ERR] " + denied}},
		{"PUT " + strings.Repeat("x", 256) + "\n", []string{"[ERR] " + noName}},
	} {
		q := h.enter(&net.Dialer{})
		sent := make(chan error, 1)
		go func() {
			_, err := io.WriteString(q, try.before+content)
			sent <- err
		}()
		if err := <-sent; err != nil { // a reset, which might also take the answers away
			t.Errorf("%.20q: the content was not taken: %v", try.before, err)
		}
		for _, want := range try.answers {
			q.next(want)
		}
		q.leave()
	}
	p.ask("SIZE simpan", "3")
	p.ask("LIST", "2 baris")
	empty(t, h.at("tmp"))
}

// Of uploads of one name at the same time each is whole, and the last to be
// done stays.
func TestUploadTogether(t *testing.T) { everywhere(t, testUploadTogether) }

func testUploadTogether(t *testing.T, h *ground) {
	one, two := h.enter(&net.Dialer{}), h.enter(&net.Dialer{})
	first, second := strings.Repeat("1", 300_000), strings.Repeat("2", 200_000)
	one.ask("ALLO 300000", "300000")
	two.ask("ALLO 200000", "200000")
	one.ask("PUT a", "Silakan kirim")
	two.ask("PUT a", "Silakan kirim")
	io.WriteString(one, first[:150_000])
	io.WriteString(two, second)
	two.next("[OK] Berkas tersimpan")
	if two.get("a") != second {
		t.Error("the second is not whole")
	}
	io.WriteString(one, first[150_000:])
	one.next("[OK] Berkas tersimpan")
	if two.get("a") != first {
		t.Error("the first is not whole")
	}
	two.ask("LIST", "1 baris")
	empty(t, h.at("tmp"))
}

// What a reader has begun to fetch stays as it was, whatever becomes of the name.
func TestReadWhileChanging(t *testing.T) { everywhere(t, testReadWhileChanging) }

func testReadWhileChanging(t *testing.T, h *ground) {
	p := h.enter(&net.Dialer{})
	old := noise(8 << 20) // more than sockets hold
	for _, change := range []func(){
		func() { p.put("a", "baru") },
		func() { p.ask("DEL a", "Berkas dihapus") },
		func() {
			p.ask("RNFR a", "Silakan kirim RNTO")
			p.ask("RNTO b", "Nama diganti")
		},
	} {
		p.put("a", old)
		reader := h.enter(narrow)
		a, err := reader.Do("RETR a")
		if err != nil {
			t.Fatal(err)
		}
		change()
		if reader.data(a.Bytes) != old {
			t.Error("the reader got something else")
		}
		reader.ask("NOOP", "Siap")
	}
}

// A listing that meets changes is whole: rows as announced, sorted, none twice,
// and none of what was there all the time missing.
func TestListWhileChanging(t *testing.T) { everywhere(t, testListWhileChanging) }

func testListWhileChanging(t *testing.T, h *ground) {
	p := h.enter(&net.Dialer{})
	for i := range 20 {
		p.put(fmt.Sprintf("tetap%02d", i), "isi")
	}
	changer := h.enter(&net.Dialer{})
	stop := make(chan struct{})
	changed := make(chan error, 1)
	go func() {
		for i := 0; ; i++ {
			name := fmt.Sprintf("d%d", i%50)
			_, err := changer.Do([]string{"MKD " + name, "RMD " + name}[i/50%2])
			select {
			case <-stop:
				changed <- err
				return
			default:
				if err != nil {
					changed <- err
					return
				}
			}
		}
	}()
	for range 50 {
		a, err := p.Do("LIST")
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		stays := 0
		for _, row := range a.Rows {
			name := row[strings.LastIndexByte(row, ' ')+1:]
			names = append(names, name)
			if strings.HasPrefix(name, "tetap") {
				stays++
			}
		}
		if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) || stays != 20 {
			t.Fatalf("%d of 20 stay: %q", stays, names)
		}
	}
	close(stop)
	if err := <-changed; err != nil {
		t.Error(err)
	}
}

// A name has up to 255 bytes, of whatever letters, and each is its own.
func TestLongNames(t *testing.T) { everywhere(t, testLongNames) }

func testLongNames(t *testing.T, h *ground) {
	p := h.enter(&net.Dialer{})
	names := []string{
		strings.Repeat("x", 255), strings.Repeat("é", 127) + "x", strings.Repeat("界", 85),
		"A", "a", "e\u0301", "\u00e9", " ", " a", "a ", "-rf", "*", "...", "a\tb", `a"b\c`, "$(reboot)", "CON", ".tersembunyi",
	}
	for i, name := range names {
		p.put(name, strconv.Itoa(i))
	}
	var listed []string
	for _, row := range p.ask("LIST", strconv.Itoa(len(names))+" baris").Rows {
		listed = append(listed, strings.SplitN(row, " ", 4)[3])
	}
	slices.Sort(names)
	if !slices.Equal(listed, names) {
		t.Errorf("listed %q", listed)
	}
	for _, name := range []string{strings.Repeat("x", 256), strings.Repeat("é", 128), strings.Repeat("界", 86), "a\u200db", "a\u200eb"} {
		p.refused("MKD "+name, noName)
	}
	deep := strings.Repeat("/"+strings.Repeat("y", 255), 20)
	p.refused("MKD "+deep, noName)
	p.refused("CD "+strings.Repeat("x/", 2048), noName)
	for _, name := range names {
		p.ask("DEL "+name, "Berkas dihapus")
	}
	p.ask("LIST", "0 baris")
	if b, err := os.ReadDir(h.at("data")); len(b) > 0 {
		t.Errorf("left: %v, %v", b, err)
	}
}
