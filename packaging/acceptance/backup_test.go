//go:build acceptance

package acceptance

import "testing"

// restore: a backup of the running service outlives a purge.
func (c *container) restore(t *testing.T) {
	const backup = "/root/posko.backup"
	c.says(t, chatPort, []string{"LOGIN " + account + " " + password, "CREATEGROUP dapur kunci", "SENDGROUP dapur halo", "EXIT"},
		"[OK] login berhasil", "[OK] Grup berhasil dibuat", "[OK] Pesan terkirim", "[OK] Sampai jumpa")
	c.run(t, "poskod", "backup", backup)
	c.prints(t, "root root 600", "stat", "--format=%U %G %a", backup)
	ca := c.run(t, "sha256sum", "/var/lib/posko/tls/own/ca.pem")

	c.run(t, "apt-get", "purge", "--yes", "posko")
	c.prints(t, "", "sh", "-c", "ls /var/lib | grep posko || true")
	c.run(t, "apt-get", "install", "--yes", "posko")
	if out, err := c.exec("", "poskod", "restore", backup); err == nil {
		t.Errorf("restored under a daemon:\n%s", out)
	}
	c.run(t, "systemctl", append([]string{"stop"}, units...)...)
	c.run(t, "poskod", "restore", backup)
	c.prints(t, "", "find", "/var/lib/posko", "!", "-user", "posko")
	c.run(t, "systemctl", "start", "poskod.service")
	c.kept(t)
	if got := c.run(t, "sha256sum", "/var/lib/posko/tls/own/ca.pem"); got != ca {
		t.Errorf("the authority was %s and is %s", ca, got)
	}
	c.run(t, "poskod", "group", "show", "dapur")
	c.run(t, "rm", backup)
}
