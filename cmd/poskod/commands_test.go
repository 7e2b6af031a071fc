package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// invitation is a code alone.
var invitation = regexp.MustCompile(`^[A-Z2-7]{26}\n$`)

// clock is a time in a table, with what the column's width depends on.
var clock = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)

// TestCommands gives the same commands to a daemon and to none.
func TestCommands(t *testing.T) {
	steps := []struct {
		input string
		args  string
		want  result
	}{
		{"rahasia12\n", "user add ani --stdin", result{"account added\n", "", 0}},
		{"rahasia12\r\n", "user add budi --stdin", result{"account added\n", "", 0}},
		{"rahasia12", "user add citra --stdin", result{"account added\n", "", 0}},
		{"rahasia12\n", "user add anl --stdin", result{"", "poskod: the name is taken by an account or group that has it or one that looks the same\n", 1}},
		{"kurang\n", "user add dodi --stdin", result{"", "poskod: password needs at least 8 characters\n", 1}},
		{"rahasia-12\n", "user add dodi --stdin", result{"", "poskod: a password is 1 to 128 letters and digits\n", 1}},
		{"rahasia 12\n", "user add dodi --stdin", result{"", "poskod: names and passwords are letters and digits\n", 1}},
		{"\n", "user add dodi --stdin", result{"", "poskod: no password was given\n", 1}},
		{"rahasia12\n", "user add dodi", result{"", "poskod: standard input is no terminal: add --stdin to read the password from it\n", 1}},
		{"rahasia13\n", "user passwd ani --stdin", result{"password changed, sessions ended\n", "", 0}},
		{"", "user disable budi", result{"account disabled, sessions ended\n", "", 0}},
		{"", "user set ani --admin=true", result{"account changed\n", "", 0}},
		{"", "user list", result{"NAME   STATE     ADMIN  PRESENCE  MADE\nani    enabled   yes    offline   TIME\nbudi   disabled  no     offline   TIME\ncitra  enabled   no     offline   TIME\n", "", 0}},
		{"", "user enable budi", result{"account enabled\n", "", 0}},
		{"", "user show budi", result{"name           budi\nstate          enabled\nadministrator  no\npresence       offline\nmade           TIME\nfiles          full\nquota          default\nrate           default\ngroups         -\n", "", 0}},
		{"", "user set budi --files=upload --quota 5GiB --rate 64KiB", result{"account changed\n", "", 0}},
		{"", "user set budi --quota 0", result{"account changed\n", "", 0}},
		{"", "user set budi --files=write", result{"", "poskod: files must be full, read or upload\n", 1}},
		{"", "user set budi --rate 1000", result{"", "poskod: rate must be at least 1024 bytes per second, 0 for no limit, or default\n", 1}},
		{"", "user set dodi --files=read", result{"", "poskod: no account dodi\n", 1}},
		{"", "user show budi", result{"name           budi\nstate          enabled\nadministrator  no\npresence       offline\nmade           TIME\nfiles          upload\nquota          no limit\nrate           65536 bytes per second\ngroups         -\n", "", 0}},
		{"", "user set budi --rate default", result{"account changed\n", "", 0}},
		{"", "user show dodi", result{"", "poskod: no account dodi\n", 1}},
		{"", "user show do-di", result{"", "poskod: a name is 1 to 32 letters and digits\n", 1}},
		{"kunci\n", "group add dapur --owner ani --stdin", result{"group added\n", "", 0}},
		{"kunci\n", "group add gudang --owner dodi --stdin", result{"", "poskod: no account dodi\n", 1}},
		{"kunci2\n", "group passwd dapur --stdin", result{"password changed\n", "", 0}},
		{"", "group list", result{"NAME   OWNER  MEMBERS  MESSAGES  MADE\ndapur  ani    1        0         TIME\n", "", 0}},
		{"", "group show dapur", result{"name      dapur\nmade      TIME\nmessages  0\nowner     ani (offline)\ndone      TIME (poskod) changed the password\n", "", 0}},
		{"", "invite --group kebun", result{"", "poskod: no group kebun\n", 1}},
		{"", "invite --uses 0", result{"", "poskod: an invitation has 1 to 10000 uses and lasts up to 8760h\n", 1}},
		{"", "invite --uses 3 --expires 1h --group dapur", result{"CODE\n", "", 0}},
		{"", "invite list", result{"ID  LEFT  USES  GROUP  MADE                  EXPIRES\n1   3     3     dapur  TIME  TIME\n", "", 0}},
		{"", "invite revoke 1", result{"invitation revoked\n", "", 0}},
		{"", "invite revoke 1", result{"", "poskod: no invitation 1; poskod invite list shows them\n", 1}},
		{"", "group drop dapur", result{"", "poskod: standard input is no terminal: add --yes to do it without being asked\n", 1}},
		{"", "group list --dropped", result{"ID  NAME  DROPPED  KEPT UNTIL\n", "", 0}},
		{"", "group drop dapur --yes", result{"group dropped\n", "", 0}},
		{"", "group list --dropped", result{"ID  NAME   DROPPED               KEPT UNTIL\n1   dapur  TIME  TIME\n", "", 0}},
		{"", "group restore 7", result{"", "poskod: no dropped group 7; poskod group list --dropped shows them\n", 1}},
		{"", "group restore 1", result{"group restored\n", "", 0}},
		{"", "group drop dapur --yes", result{"group dropped\n", "", 0}},
		{"y\n", "user del ani", result{"", "poskod: standard input is no terminal: add --yes to do it without being asked\n", 1}},
		{"", "user del ani --yes", result{"account and its files deleted, sessions ended\n", "", 0}},
		{"", "user del ani -y", result{"", "poskod: no account ani\n", 1}},
		{"", "user del ani\nUSERDEL_budi -y", result{"", "poskod: names and passwords are letters and digits\n", 1}},
		{"", "user list", result{"NAME   STATE    ADMIN  PRESENCE  MADE\nbudi   enabled  no     offline   TIME\ncitra  enabled  no     offline   TIME\n", "", 0}},
	}
	for name, online := range map[string]bool{"online": true, "offline": false} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, "")
			if online {
				h.serve()
			}
			for _, step := range steps {
				args := strings.Split(step.args, " ")
				for i := range args {
					args[i] = strings.ReplaceAll(args[i], "_", " ")
				}
				got := h.run(step.input, args...)
				got.out = invitation.ReplaceAllString(clock.ReplaceAllString(got.out, "TIME"), "CODE\n")
				if diff := cmp.Diff(step.want, got, cmp.AllowUnexported(result{})); diff != "" {
					t.Errorf("%s (-want +got):\n%s", step.args, diff)
				}
			}
		})
	}
}

func TestUsage(t *testing.T) {
	h := newHouse(t, "")
	for args, want := range map[string]string{
		"nonsense":                 `unknown command "nonsense" for "poskod"`,
		"user nonsense":            `unknown command "nonsense" for "poskod user"`,
		"user add":                 "accepts 1 arg(s), received 0",
		"user add ani rahasia12":   "accepts 1 arg(s), received 2", // a password is never an argument
		"user set ani":             "at least one of the flags in the group [admin files quota rate] is required",
		"user set ani --admin=bad": `invalid argument "bad"`,
		"user set ani --quota=bad": `invalid argument "bad" for "--quota" flag: must be a size`,
		"group add dapur":          `required flag(s) "owner" not set`,
		"serve now":                `unknown command "now" for "poskod serve"`,
	} {
		r := h.run("", strings.Fields(args)...)
		if r.status != 2 || r.out != "" || !strings.Contains(r.err, want) || !strings.Contains(r.err, `--help".`) {
			t.Errorf("%s: got %+v, want %q", args, r, want)
		}
	}
	if r := h.run("", "--help"); r.status != 0 || !strings.Contains(r.out, "Available Commands") {
		t.Errorf("--help: %+v", r)
	}
	if r := h.run("", "version"); r.status != 0 || r.out != "poskod devel\n" {
		t.Errorf("version: %+v", r)
	}
}

// TestOwner works as root on somebody else's directory; where the tests don't
// run as root, on their own.
func TestOwner(t *testing.T) {
	h := newHouse(t, "")
	owner := os.Getuid()
	if owner == 0 {
		owner = stranger
	}
	if err := os.Chown(h.dir, owner, -1); err != nil {
		t.Fatal(err)
	}
	h.user("ani")
	h.serve()
	h.must("", "user", "list")
	h.signal(syscall.SIGTERM)
	h.exit()
	err := filepath.WalkDir(h.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == h.config {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if got := info.Sys().(*syscall.Stat_t).Uid; int(got) != owner {
			t.Errorf("%s belongs to %d, want %d", path, got, owner)
		}
		if path != h.dir && filepath.Base(path) != "ca.pem" && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// stranger is a user who owns nothing.
const stranger = 54321

func TestNotAllowed(t *testing.T) {
	for name, online := range map[string]bool{"online": true, "offline": false} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, "")
			h.user("ani")
			if online {
				h.serve()
			}
			state := h.dir
			h.config = filepath.Join(t.TempDir(), "config.toml")
			h.write(strings.Replace(fastConfig, `dir = "."`, `dir = "`+state+`"`, 1))
			var who *syscall.SysProcAttr
			if os.Getuid() == 0 {
				who = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: stranger, Gid: stranger}}
				for _, path := range []string{h.config, filepath.Dir(h.config), filepath.Dir(filepath.Dir(h.config))} {
					if err := os.Chmod(path, 0o755); err != nil {
						t.Fatal(err)
					}
				}
			} else {
				os.Chmod(state, 0)
				defer os.Chmod(state, 0o700)
			}
			r := h.runAs(who, "", "user", "list")
			if r.status != 1 || !strings.Contains(r.err, "permission denied") || !strings.Contains(r.err, "use sudo, or be the user that poskod runs as") {
				t.Errorf("got %+v", r)
			}
		})
	}
}

// TestLocked asks while somebody has the state directory who doesn't answer.
func TestLocked(t *testing.T) {
	t.Parallel() // it waits for answerTime
	h := newHouse(t, "")
	h.serve()
	r := h.run("", "serve")
	if r.status != 1 || !strings.Contains(r.err, "in use by another posko process") {
		t.Errorf("a second daemon: %+v", r)
	}
	h.must("", "user", "list") // the first one's socket was left alone

	h.signal(syscall.SIGSTOP)
	r = h.run("", "user", "list")
	h.signal(syscall.SIGCONT)
	if r.status != 1 || !strings.Contains(r.err, "poskod does not answer on "+h.socket()) {
		t.Errorf("a daemon that stands still: %+v", r)
	}
	if err := os.Remove(h.socket()); err != nil {
		t.Fatal(err)
	}
	r = h.run("", "user", "list")
	if r.status != 1 || !strings.Contains(r.err, "which does not listen on "+h.socket()) || strings.Count(r.err, "\n") != 1 {
		t.Errorf("a daemon without its socket: %+v", r)
	}
}

func (h *house) socket() string { return filepath.Join(h.dir, "admin.sock") }

// TestSocket finds what a killed daemon left, and what is no daemon's.
func TestSocket(t *testing.T) {
	h := newHouse(t, "")
	h.serve()
	info, err := os.Stat(h.socket())
	if err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	// Nobody may connect before it has that mode, either.
	process := must(os.ReadFile(fmt.Sprintf("/proc/%d/status", h.daemon.Process.Pid)))(t)
	if !strings.Contains(string(process), "\nUmask:\t0077\n") {
		t.Errorf("umask:\n%s", process)
	}
	h.kill()
	if _, err := os.Stat(h.socket()); err != nil {
		t.Fatal(err) // the test is about its being left
	}
	if r := h.run("", "status"); r.status != 1 || r.err != "poskod: not running: nothing listens on "+h.socket()+"\n" {
		t.Errorf("status: %+v", r)
	}
	h.user("ani") // offline
	h.serve()
	h.must("", "status")
	h.signal(syscall.SIGTERM)
	h.exit()
	if _, err := os.Stat(h.socket()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after a stop: %v", err)
	}
	if err := os.WriteFile(h.socket(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := h.run("", "serve"); r.status != 1 || !strings.Contains(r.err, "is in the way: it is no socket") {
		t.Errorf("a file in its place: %+v", r)
	}
}

func TestCheck(t *testing.T) {
	h := newHouse(t, "")
	open := filepath.Join(h.dir, "open.key")
	if err := os.WriteFile(open, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	before := entries(t, h.dir)
	if r := h.run("", "check"); r != (result{"configuration is good\n", "", 0}) {
		t.Errorf("got %+v", r)
	}
	if diff := cmp.Diff(before, entries(t, h.dir)); diff != "" {
		t.Errorf("the check has changed the state directory:\n%s", diff)
	}
	h.write(fastConfig + `[tls]
mode = "acme"
names = ["pos.example"]
client_auth = "optional"
client_ca = "none.ca"
[tls.acme]
agreed_terms = true
ca_root = "none.pem"
dns_hook = "open.key"
eab_key_id = "id"
eab_key_file = "open.key"
`)
	r := h.run("", "check")
	for _, want := range []string{"none.ca: no such file", "none.pem: no such file", "open.key has mode 0644", "open.key is no program"} {
		if r.status != 1 || !strings.Contains(r.err, want) {
			t.Errorf("acme: no %q in %+v", want, r)
		}
	}
	h.write(fastConfig)
	h.serve()
	if r := h.run("", "check"); r.status != 0 {
		t.Errorf("beside a daemon: %+v", r)
	}
	for config, complaints := range map[string][]string{
		fastConfig + "[chat]\nhistory = 1\n[nonsense]\n[log]\nlevel = 3\n":                                        {":13: chat.history: unknown setting", ":14: nonsense: unknown table", ":16: log.level: must be"},
		fastConfig + "[tls]\nmode = \"files\"\ncert = \"none.pem\"\nkey = \"none.key\"\n":                         {"none.pem: no such file"},
		strings.Replace(fastConfig, `dir = "."`, `dir = "config.toml"`, 1):                                        {"not a directory"},
		strings.Replace(fastConfig, `dir = "."`, `dir = "config.toml/state"`, 1):                                  {"not a directory"},
		strings.Replace(fastConfig, `dir = "."`, `dir = "sub/state"`, 1) + "[tls]\nnames = [\"a b\", \"c_d!\"]\n": {`"a b"`, `"c_d!"`},
	} {
		h.write(config)
		for _, command := range []string{"check", "serve"} {
			r := h.run("", command)
			if command == "serve" && r.status == 1 && strings.Contains(r.err, "in use") {
				continue // where the directory is good, the daemon has it
			}
			if r.status != 1 || r.out != "" {
				t.Errorf("%s: got %+v", command, r)
			}
			for _, want := range complaints {
				if !strings.Contains(r.err, want) {
					t.Errorf("%s: no %q in\n%s", command, want, r.err)
				}
			}
		}
	}
}

func entries(t *testing.T, dir string) []string {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range all {
		names = append(names, e.Name())
	}
	return names
}

// TestGenerated finds out whether go generate would change something.
func TestGenerated(t *testing.T) {
	p := &program{}
	dir := t.TempDir()
	if err := generate(p.root(), dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"man/poskod.8", "completions/poskod.bash", "completions/poskod.zsh", "completions/poskod.fish"} {
		want, err := os.ReadFile(filepath.Join("../../packaging", name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s is not current, run go generate (-there +generated):\n%s", name, diff)
		}
	}
}
