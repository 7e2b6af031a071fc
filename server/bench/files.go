package main

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"posko/server/line"
)

// A fileServer is one of those that are compared.
type fileServer struct {
	name  string
	start func(ctx context.Context, dir string) (*server, error)
	// move moves files in one session, in their order.
	move func(ctx context.Context, b *bench, addr string, up bool, files []file) error
	most int // files of one session, or 0
}

// peerFiles is how many files a session with a peer moves: some of them wait for
// a delayed acknowledgement of TCP at each, which costs time but no processor.
const peerFiles = 200

// A file is what is uploaded, from path, and downloaded again.
type file struct {
	name, path string
	size       int64
}

// fileServers returns posko, the limit and the peers.
func (b *bench) fileServers() []fileServer {
	start := func(ctx context.Context, dir string) (*server, error) {
		s, files, err := b.startPosko(ctx, dir, cheapPasswords...)
		if err != nil {
			return nil, err
		}
		c, err := dial(ctx, s.addr, posko{}, "ani", true, 0)
		if err != nil {
			s.stop()
			return nil, err
		}
		s.addr = files
		return s, c.Close()
	}
	servers := []fileServer{
		{"posko", start, movePosko, 0},
		{"limit", b.startRaw, movePosko, 0},
		{"vsftpd", b.startVsftpd, moveFTPS("anonymous"), peerFiles},
		{"ProFTPD", b.startProftpd, moveFTPS("ani"), peerFiles},
		{"pure-ftpd", b.startPureftpd, moveFTPS("ani"), peerFiles},
	}
	if os.Getuid() != 0 {
		b.say("pure-ftpd needs root and is left out")
		servers = servers[:4]
	}
	return servers
}

// movePosko is a client of posko, and of the limit.
func movePosko(ctx context.Context, _ *bench, addr string, up bool, files []file) error {
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer nc.Close()
	defer context.AfterFunc(ctx, func() { nc.Close() })()
	tc, err := secure(ctx, nc)
	if err != nil {
		return err
	}
	c := line.NewClient(tc)
	for _, command := range []string{"USER ani", "PASS rahasia12"} {
		if _, err := c.Do(command); err != nil {
			return err
		}
	}
	piece := make([]byte, pieceSize)
	for _, f := range files {
		if up {
			err = upload(c, f, piece)
		} else {
			err = download(c, f, piece)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return nil
}

func upload(c *line.Client, f file, piece []byte) error {
	from, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer from.Close()
	if err := c.Send(fmt.Sprintf("ALLO %d\nPUT %s", f.size, f.name)); err != nil {
		return err
	}
	for range 2 {
		if _, err := c.Answer(); err != nil {
			return err
		}
	}
	if _, err := io.CopyBuffer(c, struct{ io.Reader }{from}, piece); err != nil {
		return err
	}
	_, err = c.Answer()
	return err
}

// castagnoli is the checksum that the processor takes.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// download compares what comes with what was uploaded.
func download(c *line.Client, f file, piece []byte) error {
	a, err := c.Do("RETR " + f.name)
	if err != nil {
		return err
	}
	came := crc32.New(castagnoli)
	if err := c.ReadData(came, a.Bytes); err != nil {
		return err
	}
	from, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer from.Close()
	went := crc32.New(castagnoli)
	n, err := io.CopyBuffer(went, struct{ io.Reader }{from}, piece)
	if err == nil && (n != a.Bytes || came.Sum32() != went.Sum32()) {
		err = errors.New("what came down is not what went up")
	}
	return err
}

// A fileLoad is a number of sessions that each move some files.
type fileLoad struct {
	name     string
	up       bool
	sessions [][]file
	unit     string
	units    float64
	goal     goal // of the best peer's cost to posko's
	limit    goal // of posko's cost to the limit's
}

// fileLoads makes the files, and returns the loads: each file goes up before it
// comes down. Eight at once come last, since much of their memory stays with the
// server for what comes next.
func (b *bench) fileLoads() ([]fileLoad, error) {
	size, count := int64(1<<30), 10_000
	if b.quick {
		size, count = 128<<20, 500
	}
	// The servers keep two times size, and the files are one time and an eighth.
	if err := b.steady(4 * size); err != nil {
		return nil, err
	}
	dir, err := b.dir(false)
	if err != nil {
		return nil, err
	}
	big, eighth, small := filepath.Join(dir, "big"), filepath.Join(dir, "eighth"), filepath.Join(dir, "small")
	for path, size := range map[string]int64{big: size, eighth: size / 8, small: 4 << 10} {
		if err := makeFile(path, size); err != nil {
			return nil, err
		}
	}
	one := [][]file{{{"big", big, size}}}
	var eight [][]file
	for i := range 8 {
		eight = append(eight, []file{{fmt.Sprintf("eighth%d", i), eighth, size / 8}})
	}
	many := [][]file{nil}
	for i := range count {
		many[0] = append(many[0], file{fmt.Sprintf("f%05d", i), small, 4 << 10})
	}
	gib, perFile := float64(size)/(1<<30), float64(count)/1e6
	return []fileLoad{
		{"upload, one connection", true, one, "s/GiB", gib, atLeast(1), atMost(1.2)},
		{"download, one connection", false, one, "s/GiB", gib, atLeast(1), atMost(1.2)},
		{"upload of files of 4 KiB", true, many, "µs each", perFile, atLeast(3), goal{}},
		{"download of files of 4 KiB", false, many, "µs each", perFile, atLeast(4), goal{}},
		{"upload, eight at once", true, eight, "s/GiB", gib, atLeast(1.2), goal{}},
		{"download, eight at once", false, eight, "s/GiB", gib, atLeast(1.2), goal{}},
	}, nil
}

// makeFile fills a file with what can't be guessed from its place in it.
func makeFile(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	random, err := os.Open("/dev/urandom")
	if err != nil {
		return err
	}
	defer random.Close()
	_, err = io.CopyN(f, random, size)
	return err
}

// A virtual machine may give free memory back to its host, from 2 MiB in one
// piece on, after two seconds. To get it again costs a server that writes a file
// three times what the writing does, or nothing, as it happens: see steady.
const (
	steadyPart = 512 << 10
	steadyPage = 4 << 10
)

// steady breaks size bytes of free memory into pieces that are small enough to
// stay with this machine, and so are alike for all servers. Between them lie the
// pages of a file that is kept until the end.
func (b *bench) steady(size int64) error {
	kept, err := os.Create(filepath.Join(b.memory, "kept"))
	if err != nil {
		return err
	}
	defer kept.Close()
	given, err := os.Create(filepath.Join(b.memory, "given"))
	if err != nil {
		return err
	}
	defer given.Close()
	defer os.Remove(given.Name())
	part := make([]byte, steadyPart)
	for range size / steadyPart {
		if _, err := kept.Write(part[:steadyPage]); err != nil {
			return err
		}
		if _, err := given.Write(part[steadyPage:]); err != nil {
			return err
		}
	}
	return nil
}

// A transfer is what one run of a fileLoad came to.
type transfer struct {
	cost   float64 // of the server's processor, per unit
	speed  float64 // units a second
	memory float64 // MiB for each session
}

// files measures the file servers under all loads.
func (b *bench) files(ctx context.Context) error {
	loads, err := b.fileLoads()
	if err != nil {
		return err
	}
	servers := b.fileServers()
	runs := make([][][]transfer, len(loads)) // by load and server
	for i := range runs {
		runs[i] = make([][]transfer, len(servers))
	}
	for range b.rounds {
		for j, fs := range servers {
			if err := b.fileRound(ctx, fs, loads, func(i int, t transfer) {
				runs[i][j] = append(runs[i][j], t)
				b.say("%s, %s: %s %s, %s MiB each", loads[i].name, fs.name, number(t.cost), loads[i].unit, number(t.memory))
			}); err != nil {
				return fmt.Errorf("%s: %w", fs.name, err)
			}
		}
	}
	cost := [][]string{{"server CPU"}}
	speed := [][]string{{"GiB or files a second; MiB of memory for each session"}}
	for _, fs := range servers {
		cost[0], speed[0] = append(cost[0], fs.name), append(speed[0], fs.name)
	}
	cost[0] = append(cost[0], "best peer ÷ posko", "goal", "", "posko ÷ limit", "goal", "")
	speed[0] = append(speed[0], "memory goal", "")
	for i, l := range loads {
		costs, speeds := []string{l.name + ", in " + l.unit}, []string{l.name}
		var medians []transfer
		var peers []float64
		for j := range servers {
			m := medianTransfer(runs[i][j])
			if l.unit == "µs each" {
				m.speed *= 1e6
			}
			medians = append(medians, m)
			if j > 1 {
				peers = append(peers, m.cost)
			}
			costs = append(costs, number(m.cost))
			speeds = append(speeds, number(m.speed)+"; "+number(m.memory))
		}
		ratio := best(peers...) / medians[0].cost
		over := medians[0].cost / medians[1].cost
		cost = append(cost, append(costs, number(ratio), l.goal.String(), l.goal.verdict(ratio), number(over), l.limit.String(), l.limit.verdict(over)))
		mib := atMost(1)
		speed = append(speed, append(speeds, mib.String(), mib.verdict(medians[0].memory)))
	}
	printTable(os.Stdout, cost)
	printTable(os.Stdout, speed)
	return nil
}

func medianTransfer(all []transfer) transfer {
	var cost, speed, memory []float64
	for _, t := range all {
		cost, speed, memory = append(cost, t.cost), append(speed, t.speed), append(memory, t.memory)
	}
	return transfer{median(cost), median(speed), median(memory)}
}

// fileRound starts a server and puts it under all loads.
func (b *bench) fileRound(ctx context.Context, fs fileServer, loads []fileLoad, report func(int, transfer)) error {
	dir, err := b.dir(false)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := fs.start(ctx, dir)
	if err != nil {
		return err
	}
	defer s.stop()
	before := s.memory()
	for i, l := range loads {
		var t transfer
		sessions, units := l.sessions, l.units
		if all := len(sessions[0]); fs.most > 0 && all > fs.most {
			sessions, units = [][]file{sessions[0][:fs.most]}, units*float64(fs.most)/float64(all)
		}
		work := func() error {
			cpu, start := s.cpu(), time.Now()
			peak := s.watchMemory()
			err := each(len(sessions), len(sessions), func(n int) error {
				return fs.move(ctx, b, s.addr, l.up, sessions[n])
			})
			t.memory = float64(max(peak()-before, 0)) / (1 << 20) / float64(len(sessions))
			t.speed = units / time.Since(start).Seconds()
			t.cost = (s.cpu() - cpu).Seconds() / units
			return err
		}
		if fs.name == "posko" {
			err = b.profiled(s, "files, "+l.name, work)
		} else {
			err = work()
		}
		if err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
		report(i, t)
	}
	return nil
}

// watchMemory samples the server's memory until the returned function is
// called, which returns the most of it.
func (s *server) watchMemory() (peak func() int64) {
	var most int64
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for tick := time.NewTicker(50 * time.Millisecond); ; {
			most = max(most, s.memory())
			select {
			case <-stop:
				tick.Stop()
				return
			case <-tick.C:
			}
		}
	})
	return func() int64 {
		close(stop)
		wg.Wait()
		return most
	}
}
