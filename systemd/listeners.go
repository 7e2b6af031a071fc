// Package systemd is the project's only door to the service manager: the
// listeners it hands over, the notifications it waits for, the watchdog it
// runs and the journal it keeps. The unit files lie beside the code.
//
// It must not know what is served on a listener, nor when the daemon is ready,
// healthy or done: the caller says so. Without systemd every function does
// nothing, so the daemon runs the same in the foreground.
package systemd

import (
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/coreos/go-systemd/v22/activation"
)

// Names of the sockets, as FileDescriptorName= in the socket units says them.
const (
	ChatSocket    = "chat"
	FilesSocket   = "files"
	MetricsSocket = "metrics"

	ACMEHTTPSocket = "acme-http"
	ACMEALPNSocket = "acme-alpn"
)

var socketNames = []string{ChatSocket, FilesSocket, MetricsSocket, ACMEHTTPSocket, ACMEALPNSocket}

// Listeners returns the listening TCP sockets that the service manager handed
// over, by name; a name has several when its unit has several ListenStream=
// lines or the administrator added units of that name. The map is nil when
// nothing was handed over.
//
// It takes the sockets out of the environment, so it is to be called once, at
// start, before another goroutine reads the environment. A socket with a name
// that the daemon does not serve, or that is not a listening TCP socket, is an
// error: clients would wait in its queue for ever. After an error every socket
// is closed.
//
// Source: sd_listen_fds(3).
func Listeners() (map[string][]net.Listener, error) {
	var listeners map[string][]net.Listener
	var errs []error
	for _, f := range activation.Files(true) {
		l, err := net.FileListener(f)
		f.Close() // FileListener has its own copy
		if err != nil {
			errs = append(errs, fmt.Errorf("systemd: socket %q is not a listening TCP socket: %w", f.Name(), err))
			continue
		}
		if listeners == nil {
			listeners = make(map[string][]net.Listener)
		}
		listeners[f.Name()] = append(listeners[f.Name()], l)
		if _, ok := l.(*net.TCPListener); !ok {
			errs = append(errs, fmt.Errorf("systemd: socket %q is not a listening TCP socket but %s", f.Name(), l.Addr().Network()))
		}
		if !slices.Contains(socketNames, f.Name()) {
			errs = append(errs, fmt.Errorf("systemd: socket %q has no known name; FileDescriptorName= must be one of %q", f.Name(), socketNames))
		}
	}
	if len(errs) == 0 {
		return listeners, nil
	}
	for _, ls := range listeners {
		for _, l := range ls {
			l.Close()
		}
	}
	return nil, errors.Join(errs...)
}
