package server

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"
)

// DefaultConfigPath is where an installed poskod keeps its configuration.
const DefaultConfigPath = "/etc/posko/config.toml"

// Config is the whole configuration. Each key is described in config.toml,
// which a test holds equal to Defaults; a field tagged `apply:"restart"` is
// read at the start alone, every other also at a reload.
//
// In durations and counts 0 means "no limit" unless config.toml says otherwise.
type Config struct {
	Listen   Listen   `toml:"listen"`
	State    State    `toml:"state"`
	TLS      TLS      `toml:"tls"`
	Accounts Accounts `toml:"accounts"`
	Login    Login    `toml:"login"`
	Limits   Limits   `toml:"limits"`
	Chat     Chat     `toml:"chat"`
	Files    Files    `toml:"files"`
	Log      Log      `toml:"log"`
}

// Listen is the table [listen]: addresses as "host:port", by protocol.
type Listen struct {
	Chat    []string `toml:"chat" apply:"restart"`
	Files   []string `toml:"files" apply:"restart"`
	Metrics []string `toml:"metrics" apply:"restart"` // HTTP, without TLS
}

// State is the table [state].
type State struct {
	Dir string `toml:"dir" apply:"restart"` // "" = see StateDir
}

// The values of TLS.Mode.
const (
	ModeOwn   = "own"   // a certificate authority of posko's own
	ModeFiles = "files" // the files Cert and Key
	ModeACME  = "acme"  // an authority that ACME tells of
)

// The values of TLS.ClientAuth.
const (
	ClientAuthOff      = "off"      // no certificate is asked for
	ClientAuthOptional = "optional" // one that is shown must be good
	ClientAuthRequired = "required"
)

// TLS is the table [tls].
type TLS struct {
	Mode  string   `toml:"mode"`
	Names []string `toml:"names"`
	Cert  Paths    `toml:"cert"`
	Key   Paths    `toml:"key"` // of the certificate at the same place

	ClientAuth string `toml:"client_auth"`
	ClientCA   string `toml:"client_ca"` // "" = posko's own authority

	ACME ACME `toml:"acme"`
}

// Accounts is the table [accounts]. The hash settings are argon2id's.
type Accounts struct {
	Signup       bool `toml:"signup"`
	MinPassword  int  `toml:"min_password"` // characters
	HashMemory   Size `toml:"hash_memory"`
	HashTime     int  `toml:"hash_time"`
	HashThreads  int  `toml:"hash_threads"`
	HashParallel int  `toml:"hash_parallel" apply:"restart"` // 0 = one per processor
}

// Login is the table [login]: what a connection may do before it logs in, and
// how many wrong passwords are checked within FailureWindow.
type Login struct {
	Timeout            Duration `toml:"timeout"`
	FailuresPerPair    int      `toml:"failures_per_pair"` // per account and address
	FailuresPerAddress int      `toml:"failures_per_address"`
	FailureWindow      Duration `toml:"failure_window"`
	MaxErrors          int      `toml:"max_errors"`
	MaxLines           int      `toml:"max_lines"`
	MaxBytes           Size     `toml:"max_bytes"`
}

// Limits is the table [limits].
type Limits struct {
	Connections      int      `toml:"connections"`
	PerAddress       int      `toml:"per_address"`
	PerAccount       int      `toml:"per_account"`
	Handshakes       int      `toml:"handshakes"`
	HandshakeTimeout Duration `toml:"handshake_timeout"` // at least 1s
	Outbox           Size     `toml:"outbox"`            // per connection; 0 is truly no limit
	WriteTimeout     Duration `toml:"write_timeout"`     // without any progress
	Keepalive        Duration `toml:"keepalive"`
	ShutdownGrace    Duration `toml:"shutdown_grace"` // 0 = close at once
}

// Chat is the table [chat].
type Chat struct {
	PrivateHistory      bool     `toml:"private_history"`
	PrivateHistoryAge   Duration `toml:"private_history_age"`
	PrivateHistoryCount int64    `toml:"private_history_count"`
	GroupHistoryAge     Duration `toml:"group_history_age"`
	GroupHistoryCount   int64    `toml:"group_history_count"`
	// Messages of one account, and to one group: at once, and a second.
	Burst      int `toml:"burst"`
	Rate       int `toml:"rate"`
	GroupBurst int `toml:"group_burst"`
	GroupRate  int `toml:"group_rate"`
}

// Files is the table [files].
type Files struct {
	IdleTimeout   Duration `toml:"idle_timeout"`
	UploadTimeout Duration `toml:"upload_timeout"`
	FreeReserve   Size     `toml:"free_reserve"`
	Rate          Size     `toml:"rate"` // bytes per second, of one account
	Quota         Size     `toml:"quota"`
	GroupQuota    Size     `toml:"group_quota"`
	QuotaFiles    int      `toml:"quota_files"`
	Trash         Duration `toml:"trash"`   // 0 = none is kept
	Partial       Duration `toml:"partial"` // likewise
}

// The values of Log.Format.
const (
	FormatAuto = "auto" // what suits where the log goes
	FormatText = "text"
	FormatJSON = "json"
)

// Log is the table [log].
type Log struct {
	Level  slog.Level `toml:"level"`
	Format string     `toml:"format" apply:"restart"`
	// Xferlog is a file, "" for none.
	Xferlog string `toml:"xferlog"`
}

// Defaults returns the configuration of an empty file. It is the caller's own,
// slices and all.
func Defaults() Config {
	return Config{
		Listen: Listen{Chat: []string{":7700"}, Files: []string{":7721"}, Metrics: []string{}},
		TLS:    TLS{Mode: ModeOwn, Names: []string{}, ClientAuth: ClientAuthOff, ACME: defaultACME()},
		Accounts: Accounts{
			MinPassword: 8,
			HashMemory:  19 << 20,
			HashTime:    2,
			HashThreads: 1,
		},
		Login: Login{
			Timeout:            Duration(30 * time.Second),
			FailuresPerPair:    10,
			FailuresPerAddress: 100,
			FailureWindow:      Duration(5 * time.Minute),
			MaxErrors:          10,
			MaxLines:           64,
			MaxBytes:           64 << 10,
		},
		Limits: Limits{
			Connections:      20_000,
			PerAddress:       512,
			PerAccount:       64,
			Handshakes:       64,
			HandshakeTimeout: Duration(10 * time.Second),
			Outbox:           1 << 20,
			WriteTimeout:     Duration(10 * time.Second),
			Keepalive:        Duration(time.Minute),
			ShutdownGrace:    Duration(25 * time.Second),
		},
		Chat: Chat{PrivateHistory: true, Burst: 20, Rate: 5},
		Files: Files{
			IdleTimeout:   Duration(15 * time.Minute),
			UploadTimeout: Duration(time.Minute),
			FreeReserve:   1 << 30,
			Quota:         5 << 30,
			GroupQuota:    5 << 30,
			QuotaFiles:    100_000,
			Trash:         Duration(week),
			Partial:       Duration(2 * day),
		},
		Log: Log{Level: slog.LevelInfo, Format: FormatAuto},
	}
}

// A setting is one key of a Config and the field that holds it.
type setting struct {
	key     string // "table.name"
	value   reflect.Value
	restart bool // a reload doesn't apply it
}

// settings returns c's settings in the order of the file.
func (c *Config) settings() []setting {
	return settingsOf("", reflect.ValueOf(c).Elem())
}

// settingsOf returns the settings of a table and of those within it.
func settingsOf(table string, values reflect.Value) []setting {
	var all []setting
	for field, value := range values.Fields() {
		key := table + field.Tag.Get("toml")
		if value.Kind() == reflect.Struct {
			all = append(all, settingsOf(key+".", value)...)
			continue
		}
		all = append(all, setting{key: key, value: value, restart: field.Tag.Get("apply") == "restart"})
	}
	return all
}

// Changed returns the keys in which c differs from old and which only a restart
// applies, in the order of the file.
func (c Config) Changed(old Config) (restart []string) {
	was := old.settings()
	for i, s := range c.settings() {
		if s.restart && !reflect.DeepEqual(s.value.Interface(), was[i].value.Interface()) {
			restart = append(restart, s.key)
		}
	}
	return restart
}

// LoadConfig reads, decodes and validates the file path, as DecodeConfig does.
func LoadConfig(path string) (Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, err
	}
	return DecodeConfig(path, data)
}

// StateDir returns the state directory of a configuration that came from the
// file configPath, "" for none. It is, from the first that is given: state.dir;
// systemd's $STATE_DIRECTORY; /var/lib/posko, if the file is DefaultConfigPath;
// $XDG_STATE_HOME/posko; $HOME/.local/state/posko. getenv is os.Getenv, outside
// of tests.
func StateDir(c Config, configPath string, getenv func(string) string) (string, error) {
	if c.State.Dir != "" {
		return c.State.Dir, nil
	}
	// systemd gives several directories, separated by colons, to a unit that
	// names several in StateDirectory=; the first is the state's.
	if first, _, _ := strings.Cut(getenv("STATE_DIRECTORY"), ":"); first != "" {
		return first, nil
	}
	if isDefault(configPath) {
		return "/var/lib/posko", nil
	}
	// A relative path in $XDG_STATE_HOME is to be ignored, says the XDG Base
	// Directory Specification.
	if base := getenv("XDG_STATE_HOME"); filepath.IsAbs(base) {
		return filepath.Join(base, "posko"), nil
	}
	if home := getenv("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".local/state/posko"), nil
	}
	return "", errors.New("no state directory: set state.dir, $STATE_DIRECTORY or $HOME")
}

// AdminSocket returns the path of the operator's socket, for the file
// configPath ("" for none) and the state directory dir. It depends on nothing
// else, so that the daemon and the commands agree on it whatever their
// environment is.
func AdminSocket(configPath, dir string) string {
	if isDefault(configPath) {
		return "/run/posko/admin.sock"
	}
	return filepath.Join(dir, "admin.sock")
}

func isDefault(configPath string) bool {
	return configPath != "" && filepath.Clean(configPath) == DefaultConfigPath
}

// A Paths is one path or a list of them, none of which is "".
type Paths []string

// UnmarshalTOML takes a string, of which "" stands for no path, or a list.
func (p *Paths) UnmarshalTOML(value any) error {
	var all Paths
	switch value := value.(type) {
	case string:
		if value != "" {
			all = Paths{value}
		}
	case []any:
		for _, v := range value {
			path, ok := v.(string)
			if !ok || path == "" {
				return errPaths
			}
			all = append(all, path)
		}
	default:
		return errPaths
	}
	*p = all
	return nil
}

var errPaths = errors.New(`must be a path in quotes, or a list of them, as in ["a", "b"]`)

// credentials is how the path of a systemd credential begins. What the variable
// stands for only the daemon knows.
const credentials = "$CREDENTIALS_DIRECTORY/"

// Credential returns the name of the systemd credential that path stands for.
func Credential(path string) (name string, ok bool) { return strings.CutPrefix(path, credentials) }

// resolve makes the paths of c that are relative start at dir.
func (c *Config) resolve(dir string) {
	paths := []*string{
		&c.State.Dir, &c.TLS.ClientCA, &c.Log.Xferlog,
		&c.TLS.ACME.CARoot, &c.TLS.ACME.EABKeyFile, &c.TLS.ACME.DNSHook,
	}
	for _, list := range []Paths{c.TLS.Cert, c.TLS.Key} {
		for i := range list {
			paths = append(paths, &list[i])
		}
	}
	for _, path := range paths {
		if _, ok := Credential(*path); *path != "" && !ok && !filepath.IsAbs(*path) {
			*path = filepath.Join(dir, *path)
		}
	}
}
