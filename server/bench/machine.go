package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// pinSelf moves this process to the second processor that it may use and
// returns the first one, for the servers.
func pinSelf() (serverCPU string, err error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "", err
	}
	_, list, _ := strings.Cut(string(status), "Cpus_allowed_list:")
	list, _, _ = strings.Cut(list, "\n")
	cpus, err := parseCPUs(strings.TrimSpace(list))
	if err != nil {
		return "", err
	}
	if len(cpus) < 2 {
		return "", errors.New("two processors are needed, one for the server and one for the load")
	}
	runtime.GOMAXPROCS(1)
	pin := exec.Command("taskset", "-a", "-c", "-p", strconv.Itoa(cpus[1]), strconv.Itoa(os.Getpid()))
	if out, err := pin.CombinedOutput(); err != nil {
		return "", fmt.Errorf("taskset: %w: %s", err, out)
	}
	return strconv.Itoa(cpus[0]), nil
}

// parseCPUs reads a list like "0-2,5".
func parseCPUs(list string) ([]int, error) {
	var cpus []int
	for part := range strings.SplitSeq(list, ",") {
		first, last, ok := strings.Cut(part, "-")
		if !ok {
			last = first
		}
		from, err := strconv.Atoi(first)
		if err != nil {
			return nil, err
		}
		to, err := strconv.Atoi(last)
		if err != nil {
			return nil, err
		}
		for ; from <= to; from++ {
			cpus = append(cpus, from)
		}
	}
	return cpus, nil
}

// A server is a process that is measured, with all that it starts.
type server struct {
	addr string // where it listens
	cmd  *exec.Cmd
	log  string
	done chan struct{} // closed when it has ended
}

// launch starts command on the servers' processor and waits until it listens
// at addr. It writes to dir/log. If this process is killed, it is too.
func (b *bench) launch(ctx context.Context, dir, addr string, env []string, command ...string) (*server, error) {
	s := &server{addr: addr, log: filepath.Join(dir, "log"), done: make(chan struct{})}
	log, err := os.Create(s.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	s.cmd = exec.Command("setpriv", append([]string{"--pdeathsig", "KILL", "taskset", "-c", b.serverCPU}, command...)...)
	s.cmd.Dir = dir
	s.cmd.Env = append(os.Environ(), env...)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // ^C is this process's to handle
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		s.cmd.Wait()
		close(s.done)
	}()
	if err := s.listening(ctx); err != nil {
		s.stop()
		said, _ := os.ReadFile(s.log)
		return nil, fmt.Errorf("%s: %w: %s", filepath.Base(command[0]), err, bytes.TrimSpace(said))
	}
	return s, nil
}

func (s *server) listening(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		nc, err := new(net.Dialer).DialContext(ctx, "tcp", s.addr)
		if err == nil {
			return nc.Close()
		}
		select {
		case <-s.done:
			return errors.New("ended")
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop ends the server and the processes of its group.
func (s *server) stop() {
	s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.done:
	case <-time.After(5 * time.Second):
	}
	syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	<-s.done
}

// cpu returns the processor time of the server's processes, those that it has
// waited for included.
func (s *server) cpu() time.Duration {
	var ticks int64
	for _, stat := range s.stats() {
		for _, field := range stat[11:15] { // utime, stime, cutime, cstime
			n, _ := strconv.ParseInt(field, 10, 64)
			ticks += n
		}
	}
	return time.Duration(ticks) * time.Second / 100 // USER_HZ is 100 on every Linux
}

// memory returns how many bytes the server's processes have resident. What
// several of them share is counted once.
func (s *server) memory() int64 {
	var kib int64
	for pid := range s.stats() {
		rollup, _ := os.ReadFile("/proc/" + pid + "/smaps_rollup")
		_, rest, _ := strings.Cut(string(rollup), "\nPss:")
		if fields := strings.Fields(rest); len(fields) > 0 {
			n, _ := strconv.ParseInt(fields[0], 10, 64)
			kib += n
		}
	}
	return kib << 10
}

// stats returns, of each process of the server, the fields of /proc/PID/stat
// that follow its name.
func (s *server) stats() map[string][]string {
	all := make(map[string][]string)
	paths, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range paths {
		stat, _ := os.ReadFile(path)
		if end := bytes.LastIndexByte(stat, ')'); end > 0 {
			all[filepath.Base(filepath.Dir(path))] = strings.Fields(string(stat[end+1:]))
		}
	}
	root := strconv.Itoa(s.cmd.Process.Pid)
	ours := make(map[string][]string)
	for pid := range all {
		for p := pid; all[p] != nil; p = all[p][1] {
			if p == root {
				ours[pid] = all[pid]
				break
			}
		}
	}
	return ours
}

// freeAddr returns an address of the loopback that nobody listens at.
func freeAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}
