//go:build acceptance

package acceptance

import (
	"path/filepath"
	"runtime"
	"testing"
)

// TestRPM is the life of the rpm, with Debian's rpm: what differs from a
// distribution of rpms are the dependencies, which Debian's database lacks, and
// the presets, which enable everything.
func TestRPM(t *testing.T) {
	c := boot(t)
	steps{
		{"install", c.rpmInstall},
		{"serve", c.serve},
		{"upgrade", c.rpmUpgrade},
		{"disabled", c.rpmDisabled},
		{"remove", c.rpmRemove},
	}.run(t, c)
}

// rpm runs rpm with that version's package in the container.
func (c *container) rpm(t *testing.T, version string, action ...string) {
	t.Helper()
	arch := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]
	file := glob(t, filepath.Join(version, "*."+arch+".rpm"))[0]
	mustCommand(t, "cp", file, c.path("/root/posko.rpm"))
	c.run(t, "rpm", append(action, "--nodeps", "/root/posko.rpm")...)
}

func (c *container) rpmInstall(t *testing.T) {
	c.rpm(t, "first", "--install")
	c.prints(t, "", "rpm", "--verify", "--nodeps", "posko")
	c.prints(t, "disabled\nenabled\nenabled\nenabled", "systemctl", append([]string{"is-enabled", "poskod-metrics.socket"}, units...)...)
	c.prints(t, "inactive\ninactive\ninactive", "systemctl", append([]string{"is-active"}, units...)...)
	c.run(t, "systemctl", "enable", "--now", "--quiet", "poskod.service")
	c.prints(t, "active\nactive\nactive", "systemctl", append([]string{"is-active"}, units...)...)
	c.prints(t, "root posko 640", "stat", "--format=%U %G %a", configFile)
}

func (c *container) rpmUpgrade(t *testing.T) {
	sockets := c.socketsSince(t)
	c.edit(t, configFile, "signup = false", "signup = true")
	c.underLoad(t, 1, func() {
		c.rpm(t, "next", "--upgrade")
		c.kept(t)
	})
	c.sameSockets(t, sockets)
	c.prints(t, "poskod v"+nextVersion, "/proc/"+c.property(t, "MainPID")+"/exe", "version")
	c.run(t, "grep", "--quiet", "signup = true", configFile)
	c.run(t, "grep", "--quiet", "next version", configFile+".rpmnew")
}

func (c *container) rpmDisabled(t *testing.T) {
	c.run(t, "systemctl", append([]string{"disable", "--now", "--quiet"}, units...)...)
	c.rpm(t, "first", "--upgrade", "--oldpackage")
	c.prints(t, "disabled\ndisabled\ndisabled", "systemctl", append([]string{"is-enabled"}, units...)...)
	c.prints(t, "inactive\ninactive\ninactive", "systemctl", append([]string{"is-active"}, units...)...)
	c.run(t, "systemctl", "enable", "--now", "--quiet", "poskod.service")
	c.kept(t)
}

// rpmRemove keeps the state and the edited configuration.
func (c *container) rpmRemove(t *testing.T) {
	c.run(t, "rpm", "--erase", "posko")
	c.prints(t, "", "systemctl", "list-units", "--all", "--state=loaded", "--no-legend", "--plain", "posko*")
	c.prints(t, "", "find", "/etc/systemd/system", "-name", "posko*")
	for name, want := range map[string]bool{
		"/usr/bin/poskod": false, "/usr/share/doc/posko": false, "/usr/share/licenses/posko": false,
		configFile + ".rpmsave": true, "/var/lib/posko/posko.db": true,
	} {
		if got := c.exists(name); got != want {
			t.Errorf("%s after remove: %v, want %v", name, got, want)
		}
	}
}
