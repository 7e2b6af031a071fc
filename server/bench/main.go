// Command bench measures what posko costs, and what others cost that do the
// same: chat beside InspIRCd and ngircd, files beside vsftpd, ProFTPD,
// pure-ftpd and a bare TLS connection. It is no part of the product and knows
// nothing of the server but its protocols.
//
// The servers run on one processor and the load on another, over the loopback,
// with TLS 1.3 and AES-128-GCM, in windows that take turns. A figure is the
// median of its windows; only the ratios of one run say something, and they say
// it of the machine that it ran on. The peers are Debian packages that are
// fetched once and unpacked into the user's cache, with their limits off.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"
)

// What poskod's build with the tag profile does at these signals is said in
// cmd/poskod/profile.go.
const (
	startProfile = syscall.SIGUSR1
	stopProfile  = syscall.SIGUSR2
)

// A bench is one run.
type bench struct {
	poskod    string // the binary that is measured
	serverCPU string
	rounds    int
	span      time.Duration // of a window
	quick     bool
	profiles  string         // where to keep profiles of poskod, or ""
	only      *regexp.Regexp // of the names of chat's loads; the others are left out
	memory    string         // a directory on tmpfs
	disk      string         // one on a disk
	cert, key string         // files, of the peers
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	err := measure(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func measure(ctx context.Context) error {
	b := &bench{}
	flag.StringVar(&b.poskod, "poskod", "bin/poskod", "the binary to measure")
	flag.BoolVar(&b.quick, "quick", false, "short windows and few of them: a minute or two, and rough figures")
	flag.StringVar(&b.profiles, "profile", "", "a directory for CPU profiles of poskod, which is then built for it")
	only := flag.String("only", "", "a regular expression: the loads of chat that have such a name, and no others")
	raw := flag.String("raw", "", "serve as the limit at this address, with the arguments as certificate and key")
	flag.Parse()
	if *raw != "" {
		return serveRaw(*raw, flag.Arg(0), flag.Arg(1))
	}
	var err error
	if b.only, err = regexp.Compile(*only); err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	b.rounds, b.span = 5, 3*time.Second
	if b.quick {
		b.rounds, b.span = 1, time.Second
	}
	err = b.prepare(ctx)
	defer b.clean()
	if err != nil {
		return err
	}
	parts := map[string][]func(context.Context) error{
		"chat":  {b.chat, b.logins},
		"idle":  {b.idle},
		"files": {b.files},
	}
	for _, name := range flag.Args() {
		if parts[name] == nil {
			return fmt.Errorf("%q is none of chat, idle and files", name)
		}
		for _, part := range parts[name] {
			if err := part(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// say tells how far the run is.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...)
}
