package server

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"posko/server/line"
)

func TestReload(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	h.user("ani", "rahasia1")
	h.user("budi", "rahasia2")
	p := h.dial(ProtocolChat)
	ani := h.login(ProtocolChat, "ani", "rahasia1")
	budi := h.login(ProtocolChat, "budi", "rahasia2")
	old := h.login(ProtocolFiles, "ani", "rahasia1")

	p.refused("SIGNUP citra rahasia3", "Pendaftaran ditutup")
	h.change(func(c *Config) { c.Accounts.Signup = true })
	p.ask("SIGNUP citra rahasia3", "sign up berhasil")
	h.change(func(c *Config) { c.Accounts.MinPassword = 12 })
	p.refused("SIGNUP dodi rahasia4", "Password terlalu pendek")
	h.change(func(c *Config) { c.Accounts.Signup = false })
	p.refused("SIGNUP dodi rahasia4rahasia4", "Pendaftaran ditutup")

	ani.ask("SEND budi satu", "pesan terkirim")
	h.change(func(c *Config) { c.Chat.PrivateHistory = false })
	ani.ask("SEND budi dua", "pesan terkirim")
	h.change(func(c *Config) { c.Chat.PrivateHistory = true })
	ani.ask("SEND budi tiga", "pesan terkirim")
	rows := budi.ask("CHECKPAST ani", "2 baris").Rows
	if !strings.HasSuffix(rows[0], " satu") || !strings.HasSuffix(rows[1], " tiga") {
		t.Errorf("kept: %q", rows)
	}

	h.change(func(c *Config) { c.Limits.PerAccount = 2 })
	p.refused("LOGIN ani rahasia1", "Terlalu banyak koneksi untuk akun ini")
	h.change(func(c *Config) { c.Limits.Connections = 4 })
	if _, err := h.tryDial(&net.Dialer{}, ProtocolChat); err == nil {
		t.Error("a connection beyond the limit was served")
	}
	h.change(func(c *Config) { c.Limits.Connections = 0 })
	h.dial(ProtocolChat)
	h.change(func(c *Config) { c.Limits.PerAddress = 5 })
	if _, err := h.tryDial(&net.Dialer{}, ProtocolChat); err == nil {
		t.Error("a connection beyond the address's limit was served")
	}
	h.change(func(c *Config) { c.Limits = testConfig().Limits })

	h.change(func(c *Config) { c.Files.IdleTimeout = Duration(50 * time.Millisecond) })
	idle := h.login(ProtocolFiles, "ani", "rahasia1")
	idle.next("[INFO] Koneksi ditutup karena terlalu lama diam")
	idle.leave()
	h.change(func(c *Config) { c.Files.IdleTimeout, c.Files.UploadTimeout = 0, Duration(50*time.Millisecond) })
	stalled := h.login(ProtocolFiles, "ani", "rahasia1")
	stalled.ask("ALLO 3", "3")
	stalled.ask("PUT name", "Silakan kirim")
	stalled.next("[INFO] Koneksi ditutup karena terlalu lama diam")
	stalled.leave()
	old.ask("NOOP", "Siap") // what was there before keeps its own

	h.change(func(c *Config) { c.Login.FailuresPerPair = 1 })
	p.refused("LOGIN ani salah", "Password yang dimasukkan salah")
	p.refused("LOGIN ani rahasia1", "Terlalu banyak percobaan, coba lagi nanti")
	h.change(func(c *Config) { c.Login.FailuresPerPair = 2 })
	p.ask("LOGIN ani rahasia1", "login berhasil")
}

// A handshake that waits for a place under the old configuration gets one, and
// the new bound holds for the next.
func TestReloadHandshakes(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.Limits.Handshakes = 1
	h := newHouse(t, cfg)
	slots := *h.slots.Load()
	<-slots
	dialed := make(chan error, 1)
	go func() {
		_, err := h.tryDial(&net.Dialer{}, ProtocolChat)
		dialed <- err
	}()
	eventually(t, "a handshake waits", func() bool { return h.clients() == 1 })
	h.change(func(c *Config) { c.Limits.Handshakes = 0 })
	h.dial(ProtocolChat).ask("PING", "PONG")
	slots <- struct{}{}
	if err := <-dialed; err != nil {
		t.Error(err)
	}
}

func TestReloadRestart(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	start := *h.config.Load()
	got := h.change(func(c *Config) {
		c.Listen.Chat = []string{"127.0.0.1:7701"}
		c.State.Dir = "/elsewhere"
		c.Accounts.HashParallel = 3
		c.Log.Format = FormatJSON
		c.Accounts.Signup = true
	})
	if want := []string{"listen.chat", "state.dir", "accounts.hash_parallel", "log.format"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	// They wait for a restart until they are as at the start, however often
	// one reloads.
	if got := h.change(func(c *Config) { c.Listen = start.Listen; c.State = start.State }); !slices.Equal(got, []string{"accounts.hash_parallel", "log.format"}) {
		t.Errorf("after a second reload: %q", got)
	}
	if got := h.change(func(c *Config) { *c = start }); len(got) > 0 {
		t.Errorf("as at the start: %q", got)
	}
}

func TestReloadInvalid(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	before := *h.config.Load()
	bad := before
	bad.Accounts.HashTime = 1000
	bad.Accounts.Signup = true
	bad.Limits.Connections = 1
	bad.Chat.PrivateHistory = false
	if restart, err := h.Reload(bad); err == nil || restart != nil {
		t.Errorf("got %q, %v", restart, err)
	}
	if now := *h.config.Load(); now.Accounts != before.Accounts || now.Limits != before.Limits || now.Chat != before.Chat {
		t.Errorf("the configuration is %+v", now)
	}
	p := h.dial(ProtocolChat)
	p.refused("SIGNUP ani rahasia1", "Pendaftaran ditutup")
	h.dial(ProtocolChat).ask("PING", "PONG")
}

// What the operator does to an account ends all that is going on in its name.
func TestSessionsEnd(t *testing.T) {
	for command, say := range map[string][2]string{
		"USERDEL ani":              {"account and its files deleted, sessions ended", "Akun Anda dihapus"},
		"USERDISABLE ani":          {"account disabled, sessions ended", "Akun Anda dinonaktifkan"},
		"USERPASSWD ani rahasia99": {"password changed, sessions ended", "Password Anda diganti"},
	} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, testConfig())
			h.user("ani", "rahasia1")
			h.user("budi", "rahasia2")
			budi := h.login(ProtocolChat, "budi", "rahasia2")
			idle := []*peer{h.login(ProtocolChat, "ani", "rahasia1"), h.login(ProtocolFiles, "ani", "rahasia1")}
			up := h.login(ProtocolFiles, "ani", "rahasia1")
			up.put("besar", noise(16<<20))
			up.ask("ALLO 1000", "1000")
			up.ask("PUT naik", "Silakan kirim")
			io.WriteString(up, noise(500))
			typing := h.login(ProtocolFiles, "ani", "rahasia1")
			typing.ask("PUT ketik", `Kirim isi berkas, akhiri dengan baris "."`)
			typing.Send("satu")
			slow := h.loginBy(narrow, ProtocolFiles, "ani", "rahasia1")
			if _, err := slow.Do("RETR besar"); err != nil {
				t.Fatal(err)
			}
			home := h.on("ani", ".")

			h.operate(command, say[0])
			began := time.Now()
			for _, p := range idle {
				p.next("[INFO] " + say[1])
				p.closed() // but it doesn't close in turn
			}
			eventually(t, "only others are left", func() bool { return h.clients() == 1 })
			if took := time.Since(began); took > time.Second {
				t.Errorf("the sessions ended after %v", took)
			}
			if _, err := io.Copy(io.Discard, slow.tls); err == nil {
				t.Error("the download ended as if it were whole")
			}
			for _, p := range []*peer{up, typing} {
				p.next("[INFO] " + say[1])
			}
			if command == "USERDEL ani" {
				if _, err := os.Stat(home); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("the files are still there: %v", err)
				}
			} else {
				empty(t, filepath.Join(home, "tmp"))
				if all, err := os.ReadDir(filepath.Join(home, "data")); err != nil || len(all) != 1 {
					t.Errorf("published: %v, %v", all, err)
				}
			}
			budi.ask("PING", "PONG")
			budi.refused("SEND ani halo", "penerima tidak tersedia")
			if _, err := h.dial(ProtocolChat).Do("LOGIN ani rahasia1"); err == nil {
				t.Error("the old password still opens")
			}
		})
	}
}

// A login with the old password that races with its change never survives it.
func TestLoginRace(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.Login.FailuresPerPair, cfg.Login.FailuresPerAddress = 0, 0
	h := newHouse(t, cfg)
	h.user("ani", "rahasia0")
	operator := h.operator()
	entered := 0
	for i := range 20 {
		peers := make([]*peer, 6)
		for j := range peers {
			peers[j] = h.dial([]string{ProtocolChat, ProtocolFiles}[j%2])
			if j%2 == 1 {
				peers[j].ask("USER ani", "Masukkan password")
			}
		}
		password := fmt.Sprintf("rahasia%d", i)
		results := make([]error, len(peers))
		answered := make(chan bool, len(peers))
		var all sync.WaitGroup
		for j, p := range peers {
			all.Go(func() {
				_, results[j] = p.Do([]string{"LOGIN ani " + password, "PASS " + password}[j%2])
				answered <- true
			})
		}
		for range i % len(peers) {
			<-answered
		}
		operator.ask(fmt.Sprintf("USERPASSWD ani rahasia%d", i+1), "password changed, sessions ended")
		all.Wait()
		for j, p := range peers {
			if results[j] == nil {
				entered++
				p.next("[INFO] Password Anda diganti")
				p.closed()
			}
			p.Close()
		}
		eventually(t, "all have gone", func() bool { return h.clients() == 1 })
	}
	if entered < 20 || entered == 120 {
		t.Errorf("%d of 120 logins came before the change: that is no race", entered)
	}
}

// A server that starts again goes on where the last one ended.
func TestRestart(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	h.user("ani", "rahasia1")
	h.user("budi", "rahasia2")
	ani := h.login(ProtocolChat, "ani", "rahasia1")
	budi := h.login(ProtocolChat, "budi", "rahasia2")
	ani.ask("CREATEGROUP dapur kunci", "Grup berhasil dibuat")
	budi.ask("JOIN dapur kunci", "Join grup berhasil")
	ani.ask("SENDGROUP dapur satu", "Pesan terkirim")
	ani.ask("SEND budi halo", "pesan terkirim")
	budi.ask("CHECK", "0 baris") // it has been sent all of it
	budi.ask("EXIT", "Sampai jumpa")
	budi.leave()
	eventually(t, "budi has gone", func() bool { return h.clients() == 1 })
	ani.ask("SENDGROUP dapur dua", "Pesan terkirim")
	files := h.login(ProtocolFiles, "ani", "rahasia1")
	content := noise(1 << 20)
	files.ask("MKD resep", "Direktori dibuat")
	files.put("resep/soto", content)
	listed := files.ask("LIST resep", "1 baris").Rows
	h.stop()

	h = openHouse(t, testConfig(), h.dir)
	budi = h.login(ProtocolChat, "budi", "rahasia2")
	if rows := budi.ask("CHECK", "1 baris").Rows; !strings.HasPrefix(rows[0], "2 ") || !strings.HasSuffix(rows[0], " GRUP dapur ani dua") {
		t.Errorf("unread: %q", rows)
	}
	budi.ask("CHECKPAST dapur", "2 baris")
	if rows := budi.ask("CHECKPAST ani", "1 baris").Rows; !strings.HasSuffix(rows[0], " MSG ani budi halo") {
		t.Errorf("history: %q", rows)
	}
	if rows := budi.ask("MEMBERS dapur", "2 baris").Rows; !slices.Equal(rows, []string{"ani owner offline", "budi member online"}) {
		t.Errorf("members: %q", rows)
	}
	ani = h.login(ProtocolChat, "ani", "rahasia1")
	ani.ask("SENDGROUP dapur tiga", "Pesan terkirim")
	budi.next("[GRUP] dapur ani tiga")
	if rows := budi.ask("CHECKPAST dapur 1", "1 baris").Rows; !strings.HasPrefix(rows[0], "3 ") {
		t.Errorf("numbers go on at %q", rows)
	}
	files = h.login(ProtocolFiles, "ani", "rahasia1")
	if rows := files.ask("LIST resep", "1 baris").Rows; !slices.Equal(rows, listed) {
		t.Errorf("listed: %q, was %q", rows, listed)
	}
	if files.get("resep/soto") != content {
		t.Error("the file has changed")
	}
}

// A new account of a deleted one's name inherits nothing, neither at once nor
// after a restart.
func TestNameAgain(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	h.user("ani", "rahasia1")
	h.user("budi", "rahasia2")
	h.group("dapur", "kunci", "ani", "budi")
	h.login(ProtocolChat, "budi", "rahasia2")
	ani := h.login(ProtocolChat, "ani", "rahasia1")
	ani.ask("SEND budi rahasiaku", "pesan terkirim")
	ani.ask("SENDGROUP dapur dulu", "Pesan terkirim")
	h.login(ProtocolFiles, "ani", "rahasia1").put("buku", "isi")
	h.operate("USERDEL ani", "account and its files deleted, sessions ended")
	h.operate("USERADD Ani rahasia3", "account added")

	inherits := func(h *house) {
		t.Helper()
		p := h.login(ProtocolChat, "ani", "rahasia3")
		defer p.Close()
		p.ask("GROUPS", "0 baris")
		p.ask("CHECK", "0 baris")
		p.ask("CHECKPAST", "0 baris")
		p.ask("CHECKPAST budi", "0 baris")
		p.refused("CHECKPAST dapur", "Anda belum bergabung dalam grup")
		p.refused("SENDGROUP dapur x", "Anda belum bergabung dalam grup")
		files := h.login(ProtocolFiles, "ani", "rahasia3")
		defer files.Close()
		files.ask("LIST", "0 baris")
		other := h.login(ProtocolChat, "budi", "rahasia2")
		defer other.Close()
		if rows := other.ask("MEMBERS dapur", "1 baris").Rows; rows[0] != "budi owner online" {
			t.Errorf("members: %q", rows)
		}
		rows := other.ask("CHECKPAST", "2 baris").Rows
		if !strings.HasSuffix(rows[0], " MSG ani budi rahasiaku") || !strings.HasSuffix(rows[1], " GRUP dapur ani dulu") {
			t.Errorf("the other's history: %q", rows)
		}
		other.ask("CHECKPAST ani", "0 baris") // that is another one now
	}
	inherits(h)
	h.stop()
	h = openHouse(t, testConfig(), h.dir)
	inherits(h)
}

// Files of an account whose deletion a crash interrupted go at the next start.
func TestReconcile(t *testing.T) {
	t.Parallel()
	h := newHouse(t, testConfig())
	h.user("ani", "rahasia1")
	h.user("budi", "rahasia2")
	for name, password := range map[string]string{"ani": "rahasia1", "budi": "rahasia2"} {
		p := h.login(ProtocolFiles, name, password)
		p.ask("MKD d", "Direktori dibuat")
		p.put("d/a", "isi")
		p.Close()
	}
	gone, kept := h.on("ani", "."), h.on("budi", "data/d/a")
	if err := h.hub.DeleteAccount(h.find("ani")); err != nil { // and then the power fails
		t.Fatal(err)
	}
	h.stop()
	if _, err := os.Stat(gone); err != nil {
		t.Fatal(err)
	}
	h = openHouse(t, testConfig(), h.dir)
	if _, err := os.Stat(gone); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the files are still there: %v", err)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Error(err)
	}
	h.login(ProtocolFiles, "budi", "rahasia2").ask("SIZE d/a", "3")
}

// An invitation for ten makes ten accounts and members, however many use it at
// once.
func TestInvitedAtOnce(t *testing.T) {
	t.Parallel()
	const uses, people = 10, 50
	cfg := testConfig()
	cfg.Login.FailuresPerPair = 0
	h := newHouse(t, cfg)
	h.user("ani", "rahasia1")
	h.group("dapur", "kunci", "ani")
	h.invitation("UNDANGAN", strconv.Itoa(uses), "dapur")
	var made atomic.Int32
	var all sync.WaitGroup
	for i := range people {
		p := h.dial(ProtocolChat)
		all.Go(func() {
			switch _, err := p.Do(fmt.Sprintf("SIGNUP u%dx rahasia1 UNDANGAN", i)); err {
			case nil:
				made.Add(1)
			case line.Refusal("Undangan tidak berlaku"):
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	for range 2 {
		members, err := h.hub.Members("dapur")
		accounts, err2 := h.accounts.List(t.Context())
		if made.Load() != uses || len(members) != 1+uses || len(accounts) != 1+uses || err != nil || err2 != nil {
			t.Errorf("%d accounts made, %d members, %d accounts, %v, %v", made.Load(), len(members), len(accounts), err, err2)
		}
		h.stop()
		h = openHouse(t, cfg, h.dir)
	}
}
