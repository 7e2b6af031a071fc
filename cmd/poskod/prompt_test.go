package main

import (
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestPrompt(t *testing.T) {
	h := newHouse(t, "")
	if got := h.dialogue("user add ani", "rahasia12", "rahasia12"); got != "Password of ani: \r\nOnce more: \r\naccount added\r\n" {
		t.Errorf("got %q", got)
	}
	if got := h.dialogue("user passwd ani", "rahasia12", "rahasia13"); !strings.HasSuffix(got, "the two passwords differ\r\n") {
		t.Errorf("got %q", got)
	}
	if got := h.dialogue("user del ani", "n"); !strings.HasSuffix(got, "nothing was done\r\n") {
		t.Errorf("got %q", got)
	}
	if got := h.dialogue("user del ani", "y"); !strings.HasSuffix(got, "sessions ended\r\n") {
		t.Errorf("got %q", got)
	}
}

// TestPromptInterrupted types Ctrl-C where the terminal shows no echo.
func TestPromptInterrupted(t *testing.T) {
	h := newHouse(t, "")
	master, slave := openTerminal(t)
	cmd := exec.Command(binary, "user", "add", "ani", "--config", h.config)
	screen := newWatched(t)
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Env = slave, slave, screen, environ()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if !echo(t, master) {
		t.Fatal("no echo to begin with")
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	screen.await("Password of ani: ")
	awaitSecrecy(t, master)
	if _, err := master.WriteString("\x03"); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if status := cmd.ProcessState.ExitCode(); status != 1 {
		t.Errorf("status %d", status)
	}
	if !echo(t, master) {
		t.Error("the terminal is left without echo")
	}
}

// openTerminal opens a pseudo-terminal: pty(7), ioctl_tty(2).
func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	open := func(name string) *os.File {
		f, err := os.OpenFile(name, os.O_RDWR|unix.O_NOCTTY, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	master = open("/dev/ptmx")
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	return master, open("/dev/pts/" + strconv.Itoa(n))
}

// dialogue runs a command at a terminal, types a line at each question, and
// returns all that the terminal showed.
func (h *house) dialogue(command string, lines ...string) string {
	h.t.Helper()
	master, slave := openTerminal(h.t)
	cmd := exec.Command(binary, append(strings.Fields(command), "--config", h.config)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Env = slave, slave, slave, environ()
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	slave.Close()
	screen := newWatched(h.t)
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		io.Copy(screen, master) // until the last one closes the slave
	}()
	for i, text := range lines {
		// Before that the terminal would show it.
		if question := screen.await(`^(?s:.*[:\]] ){` + strconv.Itoa(i+1) + `}$`); !strings.HasSuffix(question, "[y/N] ") {
			awaitSecrecy(h.t, master)
		}
		if _, err := master.WriteString(text + "\n"); err != nil {
			h.t.Fatal(err)
		}
	}
	cmd.Wait()
	<-shown
	return screen.String()
}

// echo tells whether a terminal shows what is typed: termios(3).
func echo(t *testing.T, master *os.File) bool {
	t.Helper()
	state := must(unix.IoctlGetTermios(int(master.Fd()), unix.TCGETS))(t)
	return state.Lflag&unix.ECHO != 0
}

// awaitSecrecy waits until it does not: the question is there a moment earlier.
func awaitSecrecy(t *testing.T, master *os.File) {
	t.Helper()
	for deadline := time.Now().Add(patience); echo(t, master); {
		if time.Now().After(deadline) {
			t.Fatal("the terminal shows what is typed")
		}
	}
}
