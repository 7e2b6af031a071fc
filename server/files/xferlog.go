package files

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"

	"golang.org/x/time/rate"
)

// An Xferlog is a file to which uploads, downloads and deletions are appended in
// the format of xferlog(5), which many tools read. A nil one keeps nothing. Its
// methods may be called from any goroutine.
type Xferlog struct {
	log      *slog.Logger
	sometime rate.Sometimes // a full disk must not flood the log

	mu   sync.Mutex
	file *os.File // nil if there is none
	torn bool     // the last line was not written to its end
}

// xferlogWarning is how often a failure to write is logged at the most.
const xferlogWarning = 10 * time.Second

// NewXferlog returns one that has no file yet; failures to write go to log.
func NewXferlog(log *slog.Logger) *Xferlog {
	return &Xferlog{log: log, sometime: rate.Sometimes{Interval: xferlogWarning}}
}

// OpenXferlog opens the file at path for [Xferlog.Use], and makes it (mode 0640)
// if it is missing. It must be a regular file; a link is not followed.
func OpenXferlog(path string) (*os.File, error) {
	// O_NONBLOCK: a FIFO in its place must not hold us up.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o640)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Use has everything written to file from now on, nil for nowhere, and closes
// the one before.
func (x *Xferlog) Use(file *os.File) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.file != nil {
		x.file.Close()
	}
	x.file, x.torn = file, false
}

// record writes one line. The transfer is over: a failure is logged, and nothing
// else comes of it.
func (x *Xferlog) record(account string, from net.Addr, d *deed) {
	if x == nil || xferDirections[d.what] == "" || d.result == refused && d.bytes == 0 {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.file == nil {
		return
	}
	text := xferLine(account, from, d)
	if x.torn {
		text = "\n" + text
	}
	n, err := x.file.WriteString(text)
	if err != nil {
		x.torn = x.torn && n == 0 || n > 1
		x.sometime.Do(func() { x.log.Error("transfer not written to the xferlog", "file", x.file.Name(), "err", err) })
		return
	}
	x.torn = false
}

// What the format has no letter for is not in the file.
var xferDirections = map[string]string{upload: "i", download: "o", deletion: "d"}

// xferLine writes a deed as wu-ftpd did, with the local time of its end. A name
// can't hold the spaces that end a field, nor a control character.
func xferLine(account string, from net.Addr, d *deed) string {
	host := from.String()
	if at, err := netip.ParseAddrPort(host); err == nil {
		host = at.Addr().Unmap().String()
	}
	path := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || !unicode.IsPrint(r) {
			return '_'
		}
		return r
	}, d.path)
	completion := "c"
	if d.result != done {
		completion = "i"
	}
	return fmt.Sprintf("%s %d %s %d %s b _ %s r %s posko 0 * %s\n",
		d.began.Add(d.took).Format(time.ANSIC), int64(d.took.Round(time.Second).Seconds()), host, d.bytes, path,
		xferDirections[d.what], account, completion)
}
