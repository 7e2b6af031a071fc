//go:build acceptance

package acceptance

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	acmeService = "poskod-acme.service"
	acmeHTTP    = "poskod-acme-http.socket"
	acmeALPN    = "poskod-acme-alpn.socket"
	acmeName    = "pos.example"
	directory   = "https://127.0.0.1:14000/dir"
	caRoot      = "/etc/posko/ca-root.pem"
)

// acme: with one line enabled, a service of its own gets a certificate from an
// authority that asks at port 80, the daemon serves it, and neither sees what is
// the other's.
func (c *container) acme(t *testing.T) {
	c.prints(t, "disabled\ndisabled\ndisabled", "systemctl", "is-enabled", acmeService, acmeHTTP, acmeALPN)
	c.pebble(t)
	before, err := os.ReadFile(c.path(configFile))
	if err != nil {
		t.Fatal(err)
	}
	c.edit(t, configFile, `mode = "own"`, `mode = "acme"`)
	c.edit(t, configFile, `names = []`, `names = ["`+acmeName+`"]`)
	c.edit(t, configFile, "agreed_terms = false", "agreed_terms = true")
	c.edit(t, configFile, "https://acme-v02.api.letsencrypt.org/directory", directory)
	c.edit(t, configFile, `ca_root = ""`, `ca_root = "`+caRoot+`"`)
	c.run(t, "systemctl", "reload", "poskod.service")
	c.certShows(t, "systemctl enable --now "+acmeService)
	c.says(t, chatPort, []string{"EXIT"}, "[OK] Sampai jumpa") // with the own authority's certificate

	c.run(t, "systemctl", "enable", "--now", "--quiet", acmeService)
	c.certShows(t, "Pebble")
	c.prints(t, "active\nactive\ninactive", "systemctl", "is-active", acmeService, acmeHTTP, acmeALPN)
	issuer := c.run(t, "sh", "-c", "openssl s_client -servername "+acmeName+" -connect 127.0.0.1:7700 </dev/null 2>/dev/null | openssl x509 -noout -issuer")
	if !strings.Contains(issuer, "Pebble") {
		t.Errorf("the daemon serves a certificate of %s", issuer)
	}
	c.apart(t)
	c.watched(t, acmeService, "2min")
	c.dropIn(t, acmeService, "")

	// Both hear of a change by one command.
	if err := os.WriteFile(c.path(configFile), before, 0); err != nil {
		t.Fatal(err)
	}
	c.run(t, "systemctl", "reload", "poskod.service")
	until(t, 10*time.Second, "nothing to do", func() bool {
		out, _ := c.exec("", "systemctl", "show", "--value", "--property=StatusText", acmeService)
		return strings.Contains(out, `tls.mode is "own"`)
	})
	c.says(t, chatPort, []string{"EXIT"}, "[OK] Sampai jumpa")
	c.run(t, "systemctl", "disable", "--now", "--quiet", acmeService, acmeHTTP)
	c.run(t, "rm", caRoot)
}

// certShows waits until poskod cert shows a text.
func (c *container) certShows(t *testing.T, want string) {
	t.Helper()
	until(t, 30*time.Second, "poskod cert shows "+want, func() bool {
		out, err := c.exec("", "poskod", "cert")
		return err == nil && strings.Contains(out, want)
	})
}

// pebble runs an authority in the container's network, for the rest of the test.
// Its own certificate is of the installed server's authority.
func (c *container) pebble(t *testing.T) {
	dir := t.TempDir()
	pair := filepath.Join(dir, "pebble.pem")
	write(t, pair, c.run(t, "poskod", "cert", "issue", "127.0.0.1", "--stdout"))
	c.run(t, "install", "-m", "0644", authority, caRoot)
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": "127.0.0.1:14000", "managementListenAddress": "127.0.0.1:15000",
		"certificate": pair, "privateKey": pair, "httpPort": 80, "tlsPort": 443,
	}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "pebble.json")
	write(t, file, string(config))
	for _, program := range [][]string{
		{"pebble-challtestsrv", "-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-dns01", "127.0.0.1:8053",
			"-management", "127.0.0.1:8055", "-http01", "", "-https01", "", "-tlsalpn01", ""},
		{"pebble", "-config", file, "-dnsserver", "127.0.0.1:8053"},
	} {
		cmd := exec.Command("nsenter", append([]string{"--target", c.init, "--net", "--"}, program...)...)
		cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1")
		startProcess(t, cmd)
	}
}

// apart looks at who may see what.
func (c *container) apart(t *testing.T) {
	pid := strings.TrimSpace(c.run(t, "systemctl", "show", "--value", "--property=MainPID", acmeService))
	c.prints(t, "posko-acme posko", "stat", "--format=%U %G", "/proc/"+pid)
	status := c.run(t, "cat", "/proc/"+pid+"/status")
	for _, want := range []string{"CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
		if !strings.Contains(status, want) {
			t.Errorf("the status of %s lacks %q:\n%s", acmeService, want, status)
		}
	}
	t.Log(exposure.FindString(c.run(t, "systemd-analyze", "security", "--no-pager", "--threshold=11", acmeService)))
	c.prints(t, "posko-acme posko 750 /var/lib/posko-acme\nposko-acme posko 700 /var/lib/posko-acme/certificates\n"+
		"posko-acme posko 640 /var/lib/posko-acme/served/"+acmeName+".pem",
		"stat", "--format=%U %G %a %n", "/var/lib/posko-acme", "/var/lib/posko-acme/certificates", "/var/lib/posko-acme/served/"+acmeName+".pem")
	for _, try := range []struct {
		user string
		may  bool
		test string
	}{
		{"posko-acme", true, "test -r " + configFile},
		{"posko-acme", false, "ls /var/lib/posko"},
		{"posko-acme", false, "cat /var/lib/posko/posko.db"},
		{"posko-acme", false, "cat /var/lib/posko/tls/own/ca.key"},
		{"posko-acme", false, "ls /run/posko"},
		{"posko", true, "cat /var/lib/posko-acme/served/tries.json"},
		{"posko", false, "ls /var/lib/posko-acme/certificates"},
		{"posko", false, "touch /var/lib/posko-acme/served/x"},
		{"nobody", false, "ls /var/lib/posko-acme"},
	} {
		group := "posko"
		if try.user == "nobody" {
			group = "nogroup"
		}
		out, err := c.exec("", "setpriv", "--reuid="+try.user, "--regid="+group, "--clear-groups", "sh", "-c", try.test)
		if (err == nil) != try.may {
			t.Errorf("%s: %s: %v\n%s", try.user, try.test, err, out)
		}
	}
	// Not even by their names.
	out, err := c.exec("", "nsenter", "--target="+pid, "--mount", "ls", "/var/lib/posko")
	if err == nil && strings.TrimSpace(out) != "" {
		t.Errorf("%s has in its sight: %s", acmeService, out)
	}
}
