package server

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"posko/server/sandbox"
)

// Validate returns everything that is wrong with c, joined, each complaint with
// its key, or nil. It reads nothing outside of c: whether an address is free or
// a file is there shows at the start.
func (c Config) Validate() error { return join(c.complaints()) }

// maxThreads keeps the cost of one hash within account.Cost's bounds, as the
// other bounds of [accounts] do.
const maxThreads = 16

// complaints returns what Validate joins, without a file.
func (c *Config) complaints() []complaint {
	v := validator{}
	v.listen(c)
	v.tls(c.TLS)

	between(&v, "accounts.min_password", c.Accounts.MinPassword, 1, 128)
	between(&v, "accounts.hash_time", c.Accounts.HashTime, 1, 16)
	between(&v, "accounts.hash_threads", c.Accounts.HashThreads, 1, maxThreads)
	// RFC 9106, section 3.1: at least 8 KiB for each thread.
	threads := min(max(c.Accounts.HashThreads, 1), maxThreads)
	between(&v, "accounts.hash_memory", c.Accounts.HashMemory, Size(threads)*8<<10, 1<<30)
	if c.Accounts.HashMemory%(1<<10) != 0 {
		v.complain("accounts.hash_memory", "must be a whole number of KiB, is %v", c.Accounts.HashMemory)
	}
	atLeast(&v, "accounts.hash_parallel", c.Accounts.HashParallel, 0)

	atLeast(&v, "login.timeout", c.Login.Timeout, 0)
	atLeast(&v, "login.failures_per_pair", c.Login.FailuresPerPair, 0)
	atLeast(&v, "login.failures_per_address", c.Login.FailuresPerAddress, 0)
	atLeast(&v, "login.failure_window", c.Login.FailureWindow, Duration(time.Second))
	atLeast(&v, "login.max_errors", c.Login.MaxErrors, 0)
	atLeast(&v, "login.max_lines", c.Login.MaxLines, 0)
	zeroOrAtLeast(&v, "login.max_bytes", c.Login.MaxBytes, 8<<10)

	atLeast(&v, "limits.connections", c.Limits.Connections, 0)
	atLeast(&v, "limits.per_address", c.Limits.PerAddress, 0)
	atLeast(&v, "limits.per_account", c.Limits.PerAccount, 0)
	atLeast(&v, "limits.handshakes", c.Limits.Handshakes, 0)
	// Without this one, silent strangers could hold every handshake for ever.
	atLeast(&v, "limits.handshake_timeout", c.Limits.HandshakeTimeout, Duration(time.Second))
	zeroOrAtLeast(&v, "limits.outbox", c.Limits.Outbox, 64<<10)
	zeroOrAtLeast(&v, "limits.write_timeout", c.Limits.WriteTimeout, Duration(time.Second))
	zeroOrAtLeast(&v, "limits.keepalive", c.Limits.Keepalive, Duration(time.Second))
	atLeast(&v, "limits.shutdown_grace", c.Limits.ShutdownGrace, 0)

	zeroOrAtLeast(&v, "chat.private_history_age", c.Chat.PrivateHistoryAge, Duration(time.Second))
	atLeast(&v, "chat.private_history_count", c.Chat.PrivateHistoryCount, 0)
	zeroOrAtLeast(&v, "chat.group_history_age", c.Chat.GroupHistoryAge, Duration(time.Second))
	atLeast(&v, "chat.group_history_count", c.Chat.GroupHistoryCount, 0)
	atLeast(&v, "chat.burst", c.Chat.Burst, 0)
	atLeast(&v, "chat.rate", c.Chat.Rate, 0)
	atLeast(&v, "chat.group_burst", c.Chat.GroupBurst, 0)
	atLeast(&v, "chat.group_rate", c.Chat.GroupRate, 0)

	atLeast(&v, "files.idle_timeout", c.Files.IdleTimeout, 0)
	zeroOrAtLeast(&v, "files.upload_timeout", c.Files.UploadTimeout, Duration(time.Second))
	atLeast(&v, "files.free_reserve", c.Files.FreeReserve, 0)
	atLeast(&v, "files.quota", c.Files.Quota, 0)
	atLeast(&v, "files.group_quota", c.Files.GroupQuota, 0)
	atLeast(&v, "files.quota_files", c.Files.QuotaFiles, 0)
	atLeast(&v, "files.trash", c.Files.Trash, 0)
	atLeast(&v, "files.partial", c.Files.Partial, 0)
	zeroOrAtLeast(&v, "files.rate", c.Files.Rate, sandbox.LeastRate)

	v.oneOf("log.format", c.Log.Format, FormatAuto, FormatText, FormatJSON)
	return v.complaints
}

// A validator collects complaints.
type validator struct{ complaints []complaint }

func (v *validator) complain(key, format string, args ...any) {
	v.complaints = append(v.complaints, complaint{key: key, text: fmt.Sprintf(format, args...)})
}

func atLeast[T cmp.Ordered](v *validator, key string, value, least T) {
	if value < least {
		v.complain(key, "must be at least %v, is %v", least, value)
	}
}

func zeroOrAtLeast[T cmp.Ordered](v *validator, key string, value, least T) {
	if zero := *new(T); value != zero && value < least {
		v.complain(key, "must be 0 or at least %v, is %v", least, value)
	}
}

func between[T cmp.Ordered](v *validator, key string, value, least, most T) {
	if value < least || value > most {
		v.complain(key, "must be from %v to %v, is %v", least, most, value)
	}
}

func (v *validator) oneOf(key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		v.complain(key, "must be one of %q, is %q", allowed, value)
	}
}

func (v *validator) tls(t TLS) {
	v.oneOf("tls.mode", t.Mode, ModeOwn, ModeFiles, ModeACME)
	if t.Mode == ModeACME {
		v.acme(t)
	}
	for _, name := range t.Names {
		// An address in a certificate has no zone.
		ip, err := netip.ParseAddr(name)
		if (err != nil || ip.Zone() != "") && !isDNSName(name) && !(t.Mode == ModeACME && isWildcard(name)) {
			v.complain("tls.names", "must be DNS names and IP addresses, %q is neither", name)
		}
	}
	for _, file := range []struct {
		key   string
		paths Paths
	}{{"tls.cert", t.Cert}, {"tls.key", t.Key}} {
		switch {
		case t.Mode == ModeFiles && len(file.paths) == 0:
			v.complain(file.key, `must name a file in mode "files"`)
		case t.Mode != ModeFiles && len(file.paths) > 0:
			v.complain(file.key, `must be "" in mode %q, which would not use it`, t.Mode)
		}
	}
	v.oneOf("tls.client_auth", t.ClientAuth, ClientAuthOff, ClientAuthOptional, ClientAuthRequired)
	if t.ClientAuth == ClientAuthOff && t.ClientCA != "" {
		v.complain("tls.client_ca", `must be "" while tls.client_auth is "off", which would not use it`)
	}
	if len(t.Cert) > 0 && len(t.Key) > 0 && len(t.Cert) != len(t.Key) {
		v.complain("tls.key", "must name a key for each certificate in tls.cert: there are %d keys for %d certificates", len(t.Key), len(t.Cert))
	}
}

func (v *validator) listen(c *Config) {
	l := c.Listen
	if len(l.Chat)+len(l.Files) == 0 {
		v.complain("listen.chat", "must not be empty together with listen.files: nothing would be served")
	}
	type endpoint struct{ key, address, host, port string }
	var seen []endpoint
	type list struct {
		key       string
		addresses []string
	}
	lists := []list{{"listen.chat", l.Chat}, {"listen.files", l.Files}, {"listen.metrics", l.Metrics}}
	if c.TLS.Mode == ModeACME {
		lists = append(lists, list{"tls.acme.http_listen", c.TLS.ACME.HTTPListen}, list{"tls.acme.tlsalpn_listen", c.TLS.ACME.TLSALPNListen})
	}
	for _, list := range lists {
		for _, address := range list.addresses {
			host, port, ok := splitAddress(address)
			if !ok {
				v.complain(list.key, `must be "host:port" with a port from 0 to 65535, is %q`, address)
				continue
			}
			for _, s := range seen {
				// The kernel gives port 0 another number each time.
				if port == s.port && port != "0" && (host == s.host || host == "" || s.host == "") {
					v.complain(list.key, "%q takes the same port as %q in %s", address, s.address, s.key)
				}
			}
			seen = append(seen, endpoint{list.key, address, host, port})
		}
	}
}

// splitAddress returns the host and the port of an address to listen on in the
// one form in which they can be compared; a host that means every address is "".
func splitAddress(address string) (host, port string, ok bool) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", "", false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return "", "", false
	}
	port = strconv.FormatUint(n, 10)
	if ip, err := netip.ParseAddr(host); err == nil {
		if ip.IsUnspecified() {
			return "", port, true
		}
		return ip.String(), port, true
	}
	return strings.ToLower(host), port, host == "" || isDNSName(host)
}

// isDNSName says whether name can be a host's: RFC 1123, section 2.1, with the
// lengths of RFC 1035, section 2.3.4. Names in other scripts are written in
// their ASCII form (xn--). The last label isn't a number, so that a mistyped
// IPv4 address is none.
func isDNSName(name string) bool {
	last := name[strings.LastIndexByte(name, '.')+1:]
	if _, err := strconv.ParseUint(last, 10, 64); err == nil || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if len(label) < 1 || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, r := range label {
			if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-') {
				return false
			}
		}
	}
	return true
}
