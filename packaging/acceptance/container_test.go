//go:build acceptance

package acceptance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// container is a booted Debian with a network of its own, in which there is
// nothing but loopback.
type container struct {
	root   string
	init   string   // process id of its systemd, outside
	before []string // the files before the package was installed
}

// boot unpacks the root filesystem and returns when systemd has started
// everything in it. The test's end powers it off and removes it.
func boot(t *testing.T) *container {
	t.Helper()
	dir := t.TempDir()
	c := &container{root: filepath.Join(dir, "root")}
	if err := os.Mkdir(c.root, 0o755); err != nil {
		t.Fatal(err)
	}
	mustCommand(t, "tar", "--extract", "--numeric-owner", "--xattrs", "--file", *rootfs, "--directory", c.root)

	events := listenEvents(t, filepath.Join(dir, "notify"))
	nspawn := c.start(t, filepath.Join(dir, "notify"))
	for ready := false; !ready; {
		event := events(t)
		if leader := leaderPID.FindStringSubmatch(event); leader != nil {
			c.init = leader[1]
		}
		ready = strings.Contains(event, "READY=1")
	}
	if c.init == "" {
		t.Fatal("systemd-nspawn did not tell the container's process id")
	}
	t.Cleanup(func() { c.powerOff(t, nspawn) })
	if state := strings.TrimSpace(c.run(t, "systemctl", "is-system-running", "--wait")); state != "running" {
		t.Fatalf("the container is %s", state)
	}
	return c
}

var leaderPID = regexp.MustCompile(`X_NSPAWN_LEADER_PID=([0-9]+)`)

// listenEvents takes the notifications of systemd-nspawn, which tell the
// container's first process and, later, that it has booted. They are read to
// the end: its systemd waits for who doesn't take one.
func listenEvents(t *testing.T, path string) (next func(*testing.T) string) {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	events := make(chan string, 64)
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			select {
			case events <- string(buf[:n]):
			default: // it has booted, and nobody asks any more
			}
		}
	}()
	return func(t *testing.T) string {
		t.Helper()
		select {
		case event := <-events:
			return event
		case <-time.After(commandLimit):
			t.Fatal("the container did not boot in time")
			return ""
		}
	}
}

// start runs systemd-nspawn; the channel it returns is closed at its end.
func (c *container) start(t *testing.T, notify string) (nspawn *process) {
	t.Helper()
	args := []string{"--directory", c.root, "--machine", fmt.Sprintf("posko-%d", os.Getpid()), "--boot", "--notify-ready=yes",
		"--private-network", "--register=no", "--link-journal=no", "--console=pipe"}
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		args = append(args, "--keep-unit") // nobody to ask for a scope
	}
	cmd := exec.Command("systemd-nspawn", args...)
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+notify)
	return startProcess(t, cmd)
}

func (c *container) powerOff(t *testing.T, nspawn *process) {
	if _, err := c.exec("", "systemctl", "poweroff", "--force"); err != nil {
		t.Logf("poweroff: %v", err)
	}
	select {
	case <-nspawn.done:
	case <-time.After(30 * time.Second):
		t.Error("the container did not power off")
	}
}

// exec runs a program in the container and returns what it printed.
func (c *container) exec(stdin, name string, args ...string) (string, error) {
	enter := []string{"--target", c.init, "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd", "--",
		"/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", name}
	return command(context.Background(), stdin, "nsenter", append(enter, args...)...)
}

// run is exec of what must succeed.
func (c *container) run(t *testing.T, name string, args ...string) string {
	t.Helper()
	return c.feed(t, "", name, args...)
}

// feed is run with a standard input.
func (c *container) feed(t *testing.T, stdin, name string, args ...string) string {
	t.Helper()
	out, err := c.exec(stdin, name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

// prints checks what a program prints, whatever its exit status.
func (c *container) prints(t *testing.T, want, name string, args ...string) {
	t.Helper()
	out, err := c.exec("", name, args...)
	var status *exec.ExitError
	if err != nil && !errors.As(err, &status) {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(out); got != want {
		t.Errorf("%s %s: %q, want %q", name, strings.Join(args, " "), got, want)
	}
}

// path is where a file of the container lies outside of it, whichever of its
// file systems holds it.
func (c *container) path(name string) string { return filepath.Join("/proc", c.init, "root", name) }

// edit changes a file of the container; old must be in it.
func (c *container) edit(t *testing.T, name, old, new string) {
	t.Helper()
	text, err := os.ReadFile(c.path(name))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte(old)) {
		t.Fatalf("%s has no %q", name, old)
	}
	// In place: owner and mode stay.
	if err := os.WriteFile(c.path(name), bytes.Replace(text, []byte(old), []byte(new), 1), 0); err != nil {
		t.Fatal(err)
	}
}

func (c *container) exists(name string) bool {
	_, err := os.Lstat(c.path(name))
	return err == nil
}

// property returns a property of the service.
func (c *container) property(t *testing.T, name string) string {
	t.Helper()
	return strings.TrimSpace(c.run(t, "systemctl", "show", "--value", "--property="+name, "poskod.service"))
}

// talk is a person with openssl s_client: it types the lines, which end with
// EXIT, and returns what the server said until it closed.
func (c *container) talk(t *testing.T, port int, lines ...string) []string {
	t.Helper()
	address := fmt.Sprintf("127.0.0.1:%d", port)
	out := c.feed(t, strings.Join(lines, "\n")+"\n", "sh", "-c",
		"exec timeout 30 openssl s_client -quiet -verify_return_error -verify_ip 127.0.0.1 -CAfile "+authority+" -connect "+address+" 2>/dev/null")
	return strings.Split(strings.TrimSuffix(out, "\n"), "\n")
}

const (
	authority  = "/var/lib/posko/tls/own/ca.pem"
	chatPort   = 7700
	filesPort  = 7721
	configFile = "/etc/posko/config.toml"
)

// inNetwork starts the test binary again, in the container's network but with
// the host's files.
func (c *container) inNetwork(role, arg string) *exec.Cmd {
	cmd := exec.Command("nsenter", "--target", c.init, "--net", "--", os.Args[0])
	cmd.Env = append(os.Environ(), roleVar+"="+role, argVar+"="+arg)
	return cmd
}

// process is a program in the background. It dies with the test.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed at its end
	out  bytes.Buffer  // what it printed; to be read then
}

func startProcess(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd: cmd, done: make(chan struct{})}
	cmd.Stderr = &p.out
	if cmd.Stdout == nil {
		cmd.Stdout = &p.out
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		// The signal is sent when the thread that started the program ends.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait()
		}
		close(p.done)
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		select {
		case <-p.done:
		default:
			cmd.Process.Kill()
			<-p.done
		}
		if t.Failed() {
			t.Logf("%s said:\n%s", cmd.Path, p.out.Bytes())
		}
	})
	return p
}
