package server

import (
	"net/url"
	"path/filepath"
	"strings"
)

// ACME is the table [tls.acme], for mode "acme".
type ACME struct {
	AgreedTerms    bool     `toml:"agreed_terms"`
	Email          string   `toml:"email"`
	CA             string   `toml:"ca"`           // the URL of its directory
	CARoot         string   `toml:"ca_root"`      // "" = the system's
	EABKeyID       string   `toml:"eab_key_id"`   // "" = no external account
	EABKeyFile     string   `toml:"eab_key_file"` // or a Credential
	HTTPListen     []string `toml:"http_listen" apply:"restart"`
	TLSALPNListen  []string `toml:"tlsalpn_listen" apply:"restart"`
	DNSHook        string   `toml:"dns_hook"` // a program; "" = the listeners
	OwnUntilIssued bool     `toml:"own_until_issued"`
}

func defaultACME() ACME {
	return ACME{
		CA:             "https://acme-v02.api.letsencrypt.org/directory",
		HTTPListen:     []string{":80"},
		TLSALPNListen:  []string{},
		OwnUntilIssued: true,
	}
}

// acme complains of what keeps mode "acme" from working.
func (v *validator) acme(t TLS) {
	const mode = ` in mode "acme"`
	if len(t.Names) == 0 {
		v.complain("tls.names", "must have a name"+mode)
	}
	for _, name := range t.Names {
		if isWildcard(name) && t.ACME.DNSHook == "" {
			v.complain("tls.names", "can have %q"+mode+" only with a tls.acme.dns_hook, the one way to prove it", name)
		}
	}
	a := t.ACME
	if !a.AgreedTerms {
		v.complain("tls.acme.agreed_terms", "must be true"+mode+": read the authority's terms of service first")
	}
	if strings.ContainsFunc(a.Email, func(r rune) bool { return r <= ' ' || r == 0x7f }) || a.Email != "" && !strings.Contains(a.Email, "@") {
		v.complain("tls.acme.email", "must be an email address, is %q", a.Email)
	}
	if ca, err := url.Parse(a.CA); err != nil || ca.Scheme != "https" || ca.Host == "" {
		v.complain("tls.acme.ca", "must be a URL that starts with https://, is %q", a.CA)
	}
	if (a.EABKeyID == "") != (a.EABKeyFile == "") {
		v.complain("tls.acme.eab_key_id", "must be set together with tls.acme.eab_key_file, or neither")
	}
	if len(a.HTTPListen)+len(a.TLSALPNListen) == 0 && a.DNSHook == "" {
		v.complain("tls.acme.http_listen", "must not be empty together with tlsalpn_listen and dns_hook: nothing could be proved to the authority")
	}
}

// isWildcard says whether name stands for all names right below one.
func isWildcard(name string) bool {
	host, ok := strings.CutPrefix(name, "*.")
	return ok && isDNSName(host)
}

// ACMEDir returns the directory that "poskod acme" shares with the daemon, for
// the file configPath ("" for none) and the state directory dir: that of the
// user posko-acme where poskod is installed, else one within dir.
func ACMEDir(configPath, dir string) string {
	if isDefault(configPath) {
		return "/var/lib/posko-acme"
	}
	return filepath.Join(dir, "tls", "acme")
}
