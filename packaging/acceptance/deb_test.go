//go:build acceptance

package acceptance

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestDeb is the life of the deb. Each step stands on those before it.
func TestDeb(t *testing.T) {
	c := boot(t)
	repo := newRepository(t, c)
	steps{
		{"install", func(t *testing.T) { c.install(t, repo) }},
		{"state", c.state},
		{"serve", c.serve},
		{"activate", c.activate},
		{"ready", c.ready},
		{"sockets", c.sockets},
		{"acme", c.acme},
		{"credentials", c.credentials},
		{"reload", c.reload},
		{"reload refused", c.reloadRefused},
		{"watchdog", c.watchdog},
		{"restart", c.restart},
		{"upgrade", func(t *testing.T) { c.upgrade(t, repo) }},
		{"disabled", c.disabled},
		{"remove", c.remove},
		{"restore", c.restore},
		{"purge", c.purge},
	}.run(t, c)
}

type steps []struct {
	name string
	do   func(*testing.T)
}

func (s steps) run(t *testing.T, c *container) {
	for _, step := range s {
		if !t.Run(step.name, step.do) {
			out, _ := c.exec("", "journalctl", "--no-pager", "--lines=60", "--unit=poskod*")
			t.Fatalf("the journal:\n%s", out)
		}
	}
}

// repository is the signed apt repository, with a key for this run alone.
type repository struct {
	dir   string
	gnupg string
}

func newRepository(t *testing.T, c *container) *repository {
	t.Helper()
	r := &repository{dir: filepath.Join(t.TempDir(), "apt"), gnupg: t.TempDir()}
	t.Cleanup(func() { exec.Command("gpgconf", "--homedir", r.gnupg, "--kill", "all").Run() })
	mustCommand(t, "gpg", "--homedir", r.gnupg, "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", signer, "ed25519", "sign", "never")
	r.add(t, glob(t, "first/*.deb")...)
	c.web(t, r.dir)
	return r
}

const signer = "acceptance@posko.example"

func (r *repository) add(t *testing.T, debs ...string) {
	t.Helper()
	mustCommand(t, "env", append([]string{"GNUPGHOME=" + r.gnupg, "../repo", signer, r.dir}, debs...)...)
}

var units = []string{"poskod.service", "poskod-chat.socket", "poskod-files.socket"}

func (c *container) install(t *testing.T, repo *repository) {
	c.before = c.files(t)
	key, err := os.ReadFile(filepath.Join(repo.dir, "posko-archive-keyring.gpg"))
	if err != nil {
		t.Fatal(err)
	}
	os.RemoveAll(c.path("/etc/apt/sources.list"))
	const source = "Types: deb\nURIs: http://" + webAddress + "\nSuites: stable\nComponents: main\nSigned-By: " + keyring + "\n"
	write(t, c.path("/etc/apt/sources.list.d/posko.sources"), source)
	if out, err := c.exec("", "apt-get", "update", "--error-on=any"); err == nil {
		t.Errorf("apt takes the repository without its key:\n%s", out)
	}
	write(t, c.path(keyring), string(key))
	c.run(t, "apt-get", "update", "--error-on=any")
	c.run(t, "apt-get", "install", "--yes", "posko")

	c.prints(t, "disabled\nenabled\nenabled\nenabled", "systemctl", append([]string{"is-enabled", "poskod-metrics.socket"}, units...)...)
	c.prints(t, "active\nactive\nactive", "systemctl", append([]string{"is-active"}, units...)...)
	c.prints(t, "poskod v"+firstVersion, "poskod", "version")
	c.prints(t, "posko posko 700 /var/lib/posko\nroot posko 640 "+configFile+"\nposko posko 600 /run/posko/admin.sock",
		"stat", "--format=%U %G %a %n", "/var/lib/posko", configFile, "/run/posko/admin.sock")
	c.prints(t, "", "systemctl", "--failed", "--no-legend")
	c.prints(t, "", "systemd-analyze", append([]string{"verify", "--man=no", "poskod-metrics.socket", acmeService, acmeHTTP, acmeALPN}, units...)...)
}

const keyring = "/usr/share/keyrings/posko-archive-keyring.gpg"

// state looks at the sandbox from outside, at the process itself.
func (c *container) state(t *testing.T) {
	pid := c.property(t, "MainPID")
	status := c.run(t, "cat", "/proc/"+pid+"/status")
	for _, want := range []string{"CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
		if !strings.Contains(status, want) {
			t.Errorf("the daemon's status lacks %q:\n%s", want, status)
		}
	}
	if c.run(t, "readlink", "/proc/1/ns/net") == c.run(t, "readlink", "/proc/"+pid+"/ns/net") {
		t.Error("the daemon is in the host's network")
	}
	t.Log(exposure.FindString(c.run(t, "systemd-analyze", "security", "--no-pager", "--threshold=2", "poskod.service")))
}

// serve has a person talk to each protocol, through the activated sockets.
func (c *container) serve(t *testing.T) {
	c.feed(t, password+"\n", "poskod", "user", "add", account, "--stdin")
	c.says(t, chatPort, []string{"LOGIN " + account + " " + password, "PING halo", "EXIT"},
		"[OK] login berhasil", "[OK] PONG halo", "[OK] Sampai jumpa")
	c.says(t, filesPort, []string{"USER " + account, "PASS " + password, "PUT catatan.txt", "halo", ".", "RETR catatan.txt", "EXIT"},
		"[OK] Masukkan password", "[OK] login berhasil", `[OK] Kirim isi berkas, akhiri dengan baris "."`, "[OK] Berkas tersimpan",
		"[INFO] Sisa kuota: 5368709115 byte, 99999 berkas",
		"[OK] 5 byte", "halo", "[OK] Sampai jumpa")
	logins := c.run(t, "journalctl", "--no-pager", "--unit=poskod.service", "POSKO_ACCOUNT="+account, "POSKO_PROTOCOL=files")
	if !strings.Contains(logins, "login") {
		t.Errorf("the journal cannot be asked for an account's logins: %q", logins)
	}
}

func (c *container) says(t *testing.T, port int, lines []string, want ...string) {
	t.Helper()
	if got := c.talk(t, port, lines...); !slices.Equal(got, want) {
		t.Errorf("%q was answered\n%q, want\n%q", lines, got, want)
	}
}

// kept checks that what serve stored is there.
func (c *container) kept(t *testing.T) {
	t.Helper()
	c.says(t, filesPort, []string{"USER " + account, "PASS " + password, "RETR catatan.txt", "EXIT"},
		"[OK] Masukkan password", "[OK] login berhasil", "[OK] 5 byte", "halo", "[OK] Sampai jumpa")
}

// activate: a client starts a service that is stopped.
func (c *container) activate(t *testing.T) {
	for _, port := range []int{chatPort, filesPort} {
		c.run(t, "systemctl", "stop", "poskod.service")
		c.prints(t, "inactive\nactive\nactive", "systemctl", append([]string{"is-active"}, units...)...)
		c.says(t, port, []string{"EXIT"}, "[OK] Sampai jumpa")
		c.prints(t, "active", "systemctl", "is-active", "poskod.service")
	}
	c.kept(t)
}

// ready: when systemd calls the service started it answers, without a moment in
// between.
func (c *container) ready(t *testing.T) {
	c.run(t, "sh", "-c", "systemctl restart poskod.service && poskod status")
	if status := c.property(t, "StatusText"); status == "" {
		t.Error("no status text")
	}
}

// sockets: what the administrator enables and disables is what the service
// starts with, and a drop-in adds an address, as the units say.
func (c *container) sockets(t *testing.T) {
	all := append([]string{"is-active", "poskod-metrics.socket"}, units...)
	c.run(t, "systemctl", "enable", "--quiet", "poskod-metrics.socket")
	c.run(t, "systemctl", "disable", "--quiet", "--now", "poskod-files.socket")
	c.run(t, "systemctl", "restart", "poskod.service")
	c.prints(t, "active\nactive\nactive\ninactive", "systemctl", all...)
	c.run(t, "systemctl", "disable", "--quiet", "--now", "poskod-metrics.socket")
	c.run(t, "systemctl", "enable", "--quiet", "poskod-files.socket")
	c.run(t, "systemctl", "restart", "poskod.service")
	c.prints(t, "inactive\nactive\nactive\nactive", "systemctl", all...)

	c.dropIn(t, "poskod-chat.socket", "[Socket]\nListenStream=7800\n")
	c.stopStart(t)
	for _, port := range []int{chatPort, 7800, filesPort} {
		c.says(t, port, []string{"EXIT"}, "[OK] Sampai jumpa")
	}
	c.dropIn(t, "poskod-chat.socket", "")
	c.stopStart(t)
}

// stopStart is how changed sockets come into use.
func (c *container) stopStart(t *testing.T) {
	t.Helper()
	c.run(t, "systemctl", "stop", "poskod-chat.socket", "poskod-files.socket", "poskod.service")
	c.prints(t, "inactive\ninactive\ninactive", "systemctl", append([]string{"is-active"}, units...)...)
	c.run(t, "systemctl", "start", "poskod.service")
	c.prints(t, "active\nactive\nactive", "systemctl", append([]string{"is-active"}, units...)...)
}

// dropIn adds settings to a unit until the container's end, in place of those
// that it added before.
func (c *container) dropIn(t *testing.T, unit, text string) {
	t.Helper()
	dir := c.path("/run/systemd/system/" + unit + ".d")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "acceptance.conf"), text)
	c.run(t, "systemctl", "daemon-reload")
}

// reload takes a setting that a client can see.
func (c *container) reload(t *testing.T) {
	c.says(t, chatPort, []string{"SIGNUP budi " + password, "EXIT"}, "[ERR] Pendaftaran ditutup", "[OK] Sampai jumpa")
	pid := c.property(t, "MainPID")
	c.edit(t, configFile, "signup = false", "signup = true")
	c.run(t, "systemctl", "reload", "poskod.service")
	until(t, 10*time.Second, "sign-up is open", func() bool {
		return c.talk(t, chatPort, "SIGNUP budi "+password, "EXIT")[0] == "[OK] sign up berhasil"
	})
	if got := c.property(t, "MainPID"); got != pid {
		t.Errorf("the reload made process %s of %s", got, pid)
	}
	c.prints(t, "active", "systemctl", "is-active", "poskod.service")
}

// reloadRefused: a bad file fails the reload, tells why and changes nothing.
func (c *container) reloadRefused(t *testing.T) {
	pid := c.property(t, "MainPID")
	c.edit(t, configFile, "signup = true", "signup = false\nnonsense = 1")
	if out, err := c.exec("", "systemctl", "reload", "poskod.service"); err == nil {
		t.Errorf("the reload of a bad configuration succeeded:\n%s", out)
	}
	if journal := c.run(t, "journalctl", "--no-pager", "--unit=poskod.service", "--lines=10"); !strings.Contains(journal, "nonsense") {
		t.Errorf("the journal does not tell the complaint:\n%s", journal)
	}
	c.says(t, chatPort, []string{"SIGNUP citra " + password, "EXIT"}, "[OK] sign up berhasil", "[OK] Sampai jumpa")
	if got := c.property(t, "MainPID"); got != pid {
		t.Errorf("the refused reload made process %s of %s", got, pid)
	}
	c.edit(t, configFile, "signup = false\nnonsense = 1", "signup = true")
}

// watchdog stops the process as a deadlock would.
func (c *container) watchdog(t *testing.T) {
	c.watched(t, "poskod.service", "30s")
	c.kept(t)
	c.dropIn(t, "poskod.service", "")
	c.run(t, "systemctl", "restart", "poskod.service")
}

// watched: a process that stands still is replaced. The limit is the shipped
// unit's; a drop-in is left that has a shorter one.
func (c *container) watched(t *testing.T, unit, limit string) {
	property := func(name string) string {
		return strings.TrimSpace(c.run(t, "systemctl", "show", "--value", "--property="+name, unit))
	}
	if got := property("WatchdogUSec"); got != limit {
		t.Errorf("the watchdog of %s is %s, want %s", unit, got, limit)
	}
	c.dropIn(t, unit, "[Service]\nWatchdogSec=2s\n")
	c.run(t, "systemctl", "restart", unit)
	pid := property("MainPID")
	c.run(t, "systemctl", "kill", "--signal=STOP", unit)
	until(t, 30*time.Second, "the watchdog has restarted "+unit, func() bool {
		return property("NRestarts") == "1" && property("MainPID") != pid && property("ActiveState") == "active"
	})
}

func (c *container) restart(t *testing.T) {
	sockets := c.socketsSince(t)
	const restarts = 5
	c.underLoad(t, restarts, func() {
		for range restarts {
			c.run(t, "systemctl", "restart", "poskod.service")
			c.kept(t)
		}
	})
	c.sameSockets(t, sockets)
}

// upgrade goes to the next version, whose configuration differs from the
// first's and from the administrator's.
func (c *container) upgrade(t *testing.T, repo *repository) {
	sockets := c.socketsSince(t)
	repo.add(t, glob(t, "next/*.deb")...)
	c.run(t, "apt-get", "update", "--error-on=any")
	c.underLoad(t, 1, func() {
		c.run(t, "apt-get", "upgrade", "--yes", "--option=Dpkg::Options::=--force-confold")
		c.kept(t)
	})
	c.sameSockets(t, sockets)
	c.prints(t, "poskod v"+nextVersion, "poskod", "version")
	c.prints(t, "poskod v"+nextVersion, "/proc/"+c.property(t, "MainPID")+"/exe", "version")
	c.run(t, "grep", "--quiet", "signup = true", configFile)
	c.run(t, "grep", "--quiet", "next version", configFile+".dpkg-dist")
	c.prints(t, "root posko 640", "stat", "--format=%U %G %a", configFile)
	c.prints(t, "active\nactive\nactive", "systemctl", append([]string{"is-active"}, units...)...)
}

// socketsSince tells since when the sockets listen.
func (c *container) socketsSince(t *testing.T) string {
	t.Helper()
	return c.run(t, "systemctl", "show", "--value", "--property=ActiveEnterTimestampMonotonic", "poskod-chat.socket", "poskod-files.socket")
}

func (c *container) sameSockets(t *testing.T, since string) {
	t.Helper()
	if got := c.socketsSince(t); got != since {
		t.Error("the sockets were restarted")
	}
}

// disabled: what the administrator has disabled stays so, over the next
// version's installation and over the way back.
func (c *container) disabled(t *testing.T) {
	c.run(t, "systemctl", append([]string{"disable", "--now", "--quiet"}, units...)...)
	for _, version := range []string{firstVersion, nextVersion} {
		c.run(t, "apt-get", "install", "--yes", "--allow-downgrades", "--option=Dpkg::Options::=--force-confold", "posko="+version+"-1")
		c.prints(t, "disabled\ndisabled\ndisabled\ndisabled", "systemctl", append([]string{"is-enabled", "poskod-metrics.socket"}, units...)...)
		c.prints(t, "inactive\ninactive\ninactive", "systemctl", append([]string{"is-active"}, units...)...)
	}
	c.run(t, "systemctl", "enable", "--now", "--quiet", "poskod.service")
	c.prints(t, "active\nactive\nactive", "systemctl", append([]string{"is-active"}, units...)...)
	c.kept(t)
}

// remove keeps what is the administrator's and the users'.
func (c *container) remove(t *testing.T) {
	c.run(t, "apt-get", "remove", "--yes", "posko")
	c.prints(t, "inactive\ninactive\ninactive", "systemctl", append([]string{"is-active"}, units...)...)
	for name, want := range map[string]bool{"/usr/bin/poskod": false, configFile: true, "/var/lib/posko/posko.db": true} {
		if got := c.exists(name); got != want {
			t.Errorf("%s after remove: %v, want %v", name, got, want)
		}
	}
	c.run(t, "apt-get", "install", "--yes", "posko")
	c.prints(t, "active\nactive\nactive", "systemctl", append([]string{"is-active"}, units...)...)
	c.kept(t)
}

// purge leaves nothing but the user.
func (c *container) purge(t *testing.T) {
	c.run(t, "apt-get", "purge", "--yes", "posko")
	c.prints(t, "", "systemctl", "list-units", "--all", "--no-legend", "--plain", "posko*")
	var left []string
	for _, name := range c.files(t) {
		if !slices.Contains(c.before, name) && !ofTheSystem(name) {
			left = append(left, name)
		}
	}
	if len(left) > 0 {
		t.Errorf("left after purge: %q", left)
	}
	c.run(t, "getent", "passwd", "posko", "posko-acme")
}

// ofTheSystem tells files that come and go without the package, and those
// that the test itself has made.
func ofTheSystem(name string) bool {
	for _, prefix := range []string{"/var/lib/apt/", "/var/lib/dpkg/", "/var/cache/", "/var/log/", "/var/tmp/systemd-private-", "/tmp/"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return slices.Contains([]string{keyring, "/etc/apt/sources.list.d/posko.sources",
		"/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-", "/etc/.pwd.lock"}, name)
}

// files lists the container's file system.
func (c *container) files(t *testing.T) []string {
	t.Helper()
	return strings.Fields(c.run(t, "find", "/", "-xdev"))
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(fmt.Errorf("container: %w", err))
	}
}
