package server

import (
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"posko"
)

func TestDefaults(t *testing.T) {
	c, err := DecodeConfig("config.toml", []byte(posko.Config))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Defaults(), c); diff != "" {
		t.Errorf("config.toml (+) differs from Defaults (-):\n%s", diff)
	}
	empty, err := DecodeConfig("config.toml", nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Defaults(), empty); diff != "" {
		t.Errorf("an empty file (+) differs from Defaults (-):\n%s", diff)
	}
}

// TestDocumented demands of config.toml that it describes every setting, says
// truly when each takes effect, and has no other.
func TestDocumented(t *testing.T) {
	want := map[string]string{}
	c := Defaults()
	for _, s := range c.settings() {
		want[s.key] = "reload"
		if s.restart {
			want[s.key] = "restart"
		}
	}
	got := map[string]string{}
	var table, comment string
	effect := regexp.MustCompile(`Takes effect at (reload|restart)(, for new connections)?\.$`)
	for line := range strings.Lines(posko.Config) {
		line = strings.TrimSpace(line)
		key, _, isKey := strings.Cut(line, " = ")
		switch {
		case strings.HasPrefix(line, "# "):
			comment += " " + line[2:]
			continue
		case strings.HasPrefix(line, "["):
			table = strings.Trim(line, "[]")
		case isKey:
			got[table+"."+key] = ""
			if m := effect.FindStringSubmatch(comment); m != nil {
				got[table+"."+key] = m[1]
			}
		}
		comment = ""
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("config.toml (+) differs from Config (-):\n%s", diff)
	}
}

func TestDecodeConfig(t *testing.T) {
	got, err := DecodeConfig("/etc/posko/config.toml", []byte(`
listen = { chat = ["127.0.0.1:7700", "[::1]:7700"], files = [] }
state.dir = "state"
[tls]
mode = "files"
names = ["chat.example", "192.0.2.7", "2001:db8::1"]
cert = "../ssl/chat.pem"
key = "/etc/ssl/chat.key"
client_auth = "required"
client_ca = "people.pem"
[tls.acme]
ca_root = "ca.pem"
dns_hook = "hook"
[login]
timeout = 0
failure_window = "1h30m"
max_bytes = 8192
[log]
level = "warn"
`))
	if err != nil {
		t.Fatal(err)
	}
	want := Defaults()
	want.Listen = Listen{Chat: []string{"127.0.0.1:7700", "[::1]:7700"}, Files: []string{}, Metrics: []string{}}
	want.State.Dir = "/etc/posko/state"
	want.TLS = TLS{
		Mode:  "files",
		Names: []string{"chat.example", "192.0.2.7", "2001:db8::1"},
		Cert:  Paths{"/etc/ssl/chat.pem"},
		Key:   Paths{"/etc/ssl/chat.key"},

		ClientAuth: "required",
		ClientCA:   "/etc/posko/people.pem",
		ACME:       defaultACME(),
	}
	want.TLS.ACME.CARoot = "/etc/posko/ca.pem"
	want.TLS.ACME.DNSHook = "/etc/posko/hook"
	want.Login.Timeout = 0
	want.Login.FailureWindow = Duration(90 * time.Minute)
	want.Login.MaxBytes = 8192
	want.Log.Level = slog.LevelWarn
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestComplaints demands every complaint about a file at once, in its order.
func TestComplaints(t *testing.T) {
	tests := []struct{ name, file, want string }{
		{"not TOML", "[listen]\nchat = :7700\n", `
c.toml:2: expected value but found ':' instead`},
		{"twice", "[chat]\nprivate_history = true\nprivate_history = false", `
c.toml:3: Key 'chat.private_history' has already been defined.`},
		{"unknown", `
signup = true
[acounts]
signup = true
[accounts]
Signup = true
sign_up = true
min_pasword = 8
volume = 11
[chat]
signup = true
[listen.ftp]
port = 21
`, `
c.toml:2: signup: unknown table
c.toml:3: acounts: unknown table; did you mean accounts?
c.toml:6: accounts.Signup: unknown setting; did you mean accounts.signup?
c.toml:7: accounts.sign_up: unknown setting; did you mean accounts.signup?
c.toml:8: accounts.min_pasword: unknown setting; did you mean accounts.min_password?
c.toml:9: accounts.volume: unknown setting
c.toml:11: chat.signup: unknown setting; did you mean accounts.signup?
c.toml:12: listen.ftp: unknown setting`},
		{"types", `
state = 1
[listen]
chat = ":7700"
files = [7721]
[accounts]
signup = "yes"
min_password = "8"
hash_memory = "19MB"
hash_time = 2.5
[login]
timeout = 30
failure_window = "-5m"
max_bytes = -1
[tls]
mode = 1
[log]
level = "loud"
`, `
c.toml:2: state: must be a table, as in [state]
c.toml:4: listen.chat: must be a list of strings, as in ["a", "b"]
c.toml:5: listen.files: must be a list of strings, as in ["a", "b"]
c.toml:7: accounts.signup: must be true or false
c.toml:8: accounts.min_password: must be a whole number
c.toml:9: accounts.hash_memory: must be a size such as "64KiB", "1MiB" or "5GiB", or a number of bytes
c.toml:10: accounts.hash_time: must be a whole number
c.toml:12: login.timeout: must be a duration such as "30s", "15m" or "7d"
c.toml:13: login.failure_window: must be a duration such as "30s", "15m" or "7d"
c.toml:14: login.max_bytes: must be a size such as "64KiB", "1MiB" or "5GiB", or a number of bytes
c.toml:16: tls.mode: must be a string in quotes
c.toml:18: log.level: must be "debug", "info", "warn" or "error"`},
		{"array of tables", "[[chat]]\n", `
c.toml:1: chat: must be a table, as in [chat]`},
		{"values", `
[listen]
chat = ["7700", "a b:1", ":65536", ":-1", ":http", "127.0.0.1:7700", "[::1]:0", "[::1]:0", "x.example:7721"]
files = ["127.0.0.1:07700", "0.0.0.0:7700", ":7722"]
metrics = [":7722", "127.0.0.1"]
[tls]
names = ["*.example", "", "a..b", "-a.b", "192.168.1", "fe80::1%eth0", "ok.example", "ä.example"]
cert = "x.pem"
[accounts]
min_password = 0
hash_memory = "4KiB"
hash_time = 0
hash_threads = 17
hash_parallel = -1
[login]
failures_per_pair = -1
failures_per_address = -1
failure_window = "1ms"
max_errors = -1
max_lines = -1
max_bytes = 8191
[limits]
connections = -1
per_address = -1
per_account = -1
handshakes = -1
handshake_timeout = 0
outbox = "63KiB"
write_timeout = "10ms"
keepalive = "10ms"
[files]
upload_timeout = "10ms"
[log]
format = "xml"
color = true
`, `
c.toml:3: listen.chat: must be "host:port" with a port from 0 to 65535, is "7700"
c.toml:3: listen.chat: must be "host:port" with a port from 0 to 65535, is "a b:1"
c.toml:3: listen.chat: must be "host:port" with a port from 0 to 65535, is ":65536"
c.toml:3: listen.chat: must be "host:port" with a port from 0 to 65535, is ":-1"
c.toml:3: listen.chat: must be "host:port" with a port from 0 to 65535, is ":http"
c.toml:4: listen.files: "127.0.0.1:07700" takes the same port as "127.0.0.1:7700" in listen.chat
c.toml:4: listen.files: "0.0.0.0:7700" takes the same port as "127.0.0.1:7700" in listen.chat
c.toml:4: listen.files: "0.0.0.0:7700" takes the same port as "127.0.0.1:07700" in listen.files
c.toml:5: listen.metrics: ":7722" takes the same port as ":7722" in listen.files
c.toml:5: listen.metrics: must be "host:port" with a port from 0 to 65535, is "127.0.0.1"
c.toml:7: tls.names: must be DNS names and IP addresses, "*.example" is neither
c.toml:7: tls.names: must be DNS names and IP addresses, "" is neither
c.toml:7: tls.names: must be DNS names and IP addresses, "a..b" is neither
c.toml:7: tls.names: must be DNS names and IP addresses, "-a.b" is neither
c.toml:7: tls.names: must be DNS names and IP addresses, "192.168.1" is neither
c.toml:7: tls.names: must be DNS names and IP addresses, "fe80::1%eth0" is neither
c.toml:7: tls.names: must be DNS names and IP addresses, "ä.example" is neither
c.toml:8: tls.cert: must be "" in mode "own", which would not use it
c.toml:10: accounts.min_password: must be from 1 to 128, is 0
c.toml:11: accounts.hash_memory: must be from 128KiB to 1GiB, is 4KiB
c.toml:12: accounts.hash_time: must be from 1 to 16, is 0
c.toml:13: accounts.hash_threads: must be from 1 to 16, is 17
c.toml:14: accounts.hash_parallel: must be at least 0, is -1
c.toml:16: login.failures_per_pair: must be at least 0, is -1
c.toml:17: login.failures_per_address: must be at least 0, is -1
c.toml:18: login.failure_window: must be at least 1s, is 1ms
c.toml:19: login.max_errors: must be at least 0, is -1
c.toml:20: login.max_lines: must be at least 0, is -1
c.toml:21: login.max_bytes: must be 0 or at least 8KiB, is 8191
c.toml:23: limits.connections: must be at least 0, is -1
c.toml:24: limits.per_address: must be at least 0, is -1
c.toml:25: limits.per_account: must be at least 0, is -1
c.toml:26: limits.handshakes: must be at least 0, is -1
c.toml:27: limits.handshake_timeout: must be at least 1s, is 0s
c.toml:28: limits.outbox: must be 0 or at least 64KiB, is 63KiB
c.toml:29: limits.write_timeout: must be 0 or at least 1s, is 10ms
c.toml:30: limits.keepalive: must be 0 or at least 1s, is 10ms
c.toml:32: files.upload_timeout: must be 0 or at least 1s, is 10ms
c.toml:34: log.format: must be one of ["auto" "text" "json"], is "xml"
c.toml:35: log.color: unknown setting`},
		{"nothing to serve", "[listen]\nchat = []\nfiles = []", `
c.toml:2: listen.chat: must not be empty together with listen.files: nothing would be served`},
		{"odd bytes", "[accounts]\nhash_memory = 1048577", `
c.toml:2: accounts.hash_memory: must be a whole number of KiB, is 1048577`},
		{"files", "[tls]\nmode = \"files\"", `
c.toml: tls.cert: must name a file in mode "files"
c.toml: tls.key: must name a file in mode "files"`},
		{"acme without anything", "[tls]\nmode = \"acme\"", `
c.toml: tls.acme.agreed_terms: must be true in mode "acme": read the authority's terms of service first
c.toml: tls.names: must have a name in mode "acme"`},
		{"acme", `
[tls]
mode = "acme"
names = ["*.example", "*.*.example"]
cert = "x.pem"
[tls.acme]
agreed_terms = true
email = "an i@example"
ca = "http://ca.example/dir"
eab_key_id = "1"
http_listen = [":7700", "80"]
tls_alpn_listen = []
[tls.acme.dns]
`, `
c.toml:4: tls.names: can have "*.example" in mode "acme" only with a tls.acme.dns_hook, the one way to prove it
c.toml:4: tls.names: must be DNS names and IP addresses, "*.*.example" is neither
c.toml:5: tls.cert: must be "" in mode "acme", which would not use it
c.toml:8: tls.acme.email: must be an email address, is "an i@example"
c.toml:9: tls.acme.ca: must be a URL that starts with https://, is "http://ca.example/dir"
c.toml:10: tls.acme.eab_key_id: must be set together with tls.acme.eab_key_file, or neither
c.toml:11: tls.acme.http_listen: ":7700" takes the same port as ":7700" in listen.chat
c.toml:11: tls.acme.http_listen: must be "host:port" with a port from 0 to 65535, is "80"
c.toml:12: tls.acme.tls_alpn_listen: unknown setting; did you mean tls.acme.tlsalpn_listen?
c.toml:13: tls.acme.dns: unknown setting`},
		{"acme without a proof", "[tls]\nmode = \"acme\"\nnames = [\"a.example\"]\n[tls.acme]\nagreed_terms = true\nhttp_listen = []", `
c.toml:6: tls.acme.http_listen: must not be empty together with tlsalpn_listen and dns_hook: nothing could be proved to the authority`},
		{"no table", "[tls]\nacme = true", `
c.toml:2: tls.acme: must be a table, as in [tls.acme]`},
		{"mode", "[tls]\nmode = \"none\"", `
c.toml:2: tls.mode: must be one of ["own" "files" "acme"], is "none"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := DecodeConfig("c.toml", []byte(tt.file))
			if err == nil {
				t.Fatal("no complaint")
			}
			if diff := cmp.Diff(strings.TrimPrefix(tt.want, "\n"), err.Error()); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(Config{}, c); diff != "" {
				t.Errorf("not the zero Config:\n%s", diff)
			}
		})
	}
}

// TestValidate is about what no file can hold, since units refuse it already.
func TestValidate(t *testing.T) {
	c := Defaults()
	if err := c.Validate(); err != nil {
		t.Errorf("defaults: %v", err)
	}
	c.Login.Timeout = -1
	c.Limits.ShutdownGrace = -1
	c.Files = Files{IdleTimeout: -1, FreeReserve: -1, Quota: -1, QuotaFiles: -1, Trash: -1, Partial: -1}
	want := `login.timeout: must be at least 0s, is -1ns
limits.shutdown_grace: must be at least 0s, is -1ns
files.idle_timeout: must be at least 0s, is -1ns
files.free_reserve: must be at least 0, is -1
files.quota: must be at least 0, is -1
files.quota_files: must be at least 0, is -1
files.trash: must be at least 0s, is -1ns
files.partial: must be at least 0s, is -1ns`
	if diff := cmp.Diff(want, c.Validate().Error()); diff != "" {
		t.Error(diff)
	}
}

func TestDNSName(t *testing.T) {
	label63 := strings.Repeat("a", 63)
	name253 := strings.Repeat(label63+".", 3) + strings.Repeat("b", 61)
	for name, want := range map[string]bool{
		"localhost":       true,
		"Chat-1.example":  true,
		"xn--4ca.example": true,
		"1.example":       true,
		label63:           true,
		label63 + "a":     false,
		name253:           true,
		name253 + "b":     false,
		"example.":        false,
		"a-.example":      false,
		"a_b.example":     false,
		"10.0.0.256":      false,
	} {
		if got := isDNSName(name); got != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
}

func TestLoadConfig(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.toml")
	if _, err := LoadConfig(path); !os.IsNotExist(err) {
		t.Errorf("a missing file: %v", err)
	}
	if err := os.WriteFile(path, []byte("[state]\ndir = \"s\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := LoadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(filepath.Dir(path), "s"); c.State.Dir != want {
		t.Errorf("state.dir is %q, want %q", c.State.Dir, want)
	}
}

func TestChanged(t *testing.T) {
	old, c := Defaults(), Defaults()
	if got := c.Changed(old); got != nil {
		t.Errorf("equal configurations: %q", got)
	}
	c.Accounts.Signup = true
	c.TLS.Names = []string{"chat.example"}
	c.Limits.Connections = 1
	if got := c.Changed(old); got != nil {
		t.Errorf("what a reload applies: %q", got)
	}
	c.Log.Format = FormatJSON
	c.Listen.Files = append(c.Listen.Files, ":7722")
	c.State.Dir = "/srv/posko"
	want := []string{"listen.files", "state.dir", "log.format"}
	if diff := cmp.Diff(want, c.Changed(old)); diff != "" {
		t.Error(diff)
	}
}

func TestStateDir(t *testing.T) {
	type env map[string]string
	tests := []struct {
		name, dir, config string
		env               env
		want, socket      string
	}{
		{
			"setting", "/srv/posko", "/srv/posko.toml", env{"STATE_DIRECTORY": "/var/lib/x", "HOME": "/home/ani"},
			"/srv/posko", "/srv/posko/admin.sock",
		},
		{
			"systemd", "", "/srv/posko.toml", env{"STATE_DIRECTORY": "/var/lib/x:/var/lib/y", "HOME": "/home/ani"},
			"/var/lib/x", "/var/lib/x/admin.sock",
		},
		{
			"installed", "", DefaultConfigPath, env{"XDG_STATE_HOME": "/home/ani/s", "HOME": "/home/ani"},
			"/var/lib/posko", "/run/posko/admin.sock",
		},
		{
			"installed, under systemd", "", "/etc/posko//config.toml", env{"STATE_DIRECTORY": "/var/lib/posko"},
			"/var/lib/posko", "/run/posko/admin.sock",
		},
		{
			"installed, elsewhere", "/srv/posko", DefaultConfigPath, nil,
			"/srv/posko", "/run/posko/admin.sock",
		},
		{
			"XDG", "", "", env{"XDG_STATE_HOME": "/home/ani/s", "HOME": "/home/ani"},
			"/home/ani/s/posko", "/home/ani/s/posko/admin.sock",
		},
		{
			"XDG, relative", "", "", env{"XDG_STATE_HOME": "s", "HOME": "/home/ani"},
			"/home/ani/.local/state/posko", "/home/ani/.local/state/posko/admin.sock",
		},
		{
			"home", "", "", env{"HOME": "/home/ani"},
			"/home/ani/.local/state/posko", "/home/ani/.local/state/posko/admin.sock",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := Defaults()
			c.State.Dir = tt.dir
			got, err := StateDir(c, tt.config, func(key string) string { return tt.env[key] })
			if got != tt.want || err != nil {
				t.Errorf("StateDir is %q, %v, want %q", got, err, tt.want)
			}
			if got := AdminSocket(tt.config, got); got != tt.socket {
				t.Errorf("AdminSocket is %q, want %q", got, tt.socket)
			}
		})
	}
	if dir, err := StateDir(Defaults(), "", func(string) string { return "" }); err == nil {
		t.Errorf("without anything StateDir is %q, want an error", dir)
	}
}
