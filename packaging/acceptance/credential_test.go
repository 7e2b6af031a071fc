//go:build acceptance

package acceptance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const credentialsDropIn = "/run/systemd/system/poskod.service.d/credentials.conf"

// credentials: the daemon serves a certificate and key from a file that root
// alone can read, by way of systemd, and another one from the next start on.
func (c *container) credentials(t *testing.T) {
	before, err := os.ReadFile(c.path(configFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(c.path(filepath.Dir(credentialsDropIn)), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, c.path(credentialsDropIn), "[Service]\nLoadCredential=server.pem:/root/server.pem\n")
	c.edit(t, configFile, `mode = "own"`, `mode = "files"`)
	c.edit(t, configFile, `cert = ""`, `cert = "$CREDENTIALS_DIRECTORY/server.pem"`)
	c.edit(t, configFile, `key = ""`, `key = "$CREDENTIALS_DIRECTORY/server.pem"`)
	c.run(t, "systemctl", "daemon-reload")
	for _, name := range []string{"pertama.example", "kedua.example"} {
		c.run(t, "sh", "-c", "umask 077 && poskod cert issue --stdout "+name+" >/root/server.pem")
		c.run(t, "systemctl", "restart", "poskod.service")
		got := c.run(t, "sh", "-c", "openssl s_client -connect 127.0.0.1:7700 </dev/null 2>/dev/null | openssl x509 -noout -ext subjectAltName")
		if !strings.Contains(got, "DNS:"+name) {
			t.Errorf("served instead of %s: %s", name, got)
		}
	}
	if err := os.WriteFile(c.path(configFile), before, 0); err != nil {
		t.Fatal(err)
	}
	c.run(t, "rm", "/root/server.pem", credentialsDropIn)
	c.run(t, "systemctl", "daemon-reload")
	c.run(t, "systemctl", "restart", "poskod.service")
	c.says(t, chatPort, []string{"EXIT"}, "[OK] Sampai jumpa")
}
