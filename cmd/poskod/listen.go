package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"

	"posko/server"
)

// listeners are by protocol.
type listeners map[string][]net.Listener

func (ls listeners) close() {
	for _, all := range ls {
		for _, l := range all {
			l.Close()
		}
	}
}

// listen returns the listeners for clients and for metrics: those that systemd
// handed over, if it did, or else the configured ones. On an error none is open.
func listen(c server.Listen, handed listeners, log *slog.Logger) (listeners, error) {
	configured := map[string][]string{
		server.ProtocolChat: c.Chat, server.ProtocolFiles: c.Files, server.ProtocolMetrics: c.Metrics,
	}
	if handed != nil {
		return adopt(configured, handed, log), nil
	}
	return bind(configured)
}

// bind opens listeners, all or none.
func bind(configured map[string][]string) (listeners, error) {
	bound := listeners{}
	for name, addresses := range configured {
		for _, address := range addresses {
			l, err := net.Listen("tcp", address)
			if err != nil {
				bound.close()
				return nil, err
			}
			bound[name] = append(bound[name], l)
		}
	}
	return bound, nil
}

// adopt takes what systemd handed over, apart from what the configuration
// switches off, and warns where the two differ: the sockets are as their units
// say.
func adopt(configured map[string][]string, handed listeners, log *slog.Logger) listeners {
	taken := listeners{}
	for name, all := range handed {
		addresses := configured[name]
		if len(addresses) == 0 {
			log.Warn("socket of systemd's closed: the configuration has nothing listening there", "protocol", name)
			listeners{name: all}.close()
			continue
		}
		taken[name] = all
		for _, l := range all {
			if !slices.ContainsFunc(addresses, func(a string) bool { return sameAddress(a, l.Addr()) }) {
				log.Warn("listening where the socket unit says, not where the configuration does",
					"protocol", name, "unit", l.Addr(), "configuration", addresses)
			}
		}
	}
	for name, addresses := range configured {
		if len(addresses) > 0 && len(handed[name]) == 0 {
			log.Warn("not listening: no socket of systemd's is enabled", "protocol", name,
				"unit", "poskod-"+name+".socket", "configuration", addresses)
		}
	}
	return taken
}

// sameAddress tells whether a configured address is that of a listener.
func sameAddress(configured string, have net.Addr) bool {
	host, port, err := net.SplitHostPort(configured)
	tcp, ok := have.(*net.TCPAddr)
	if err != nil || !ok || port != fmt.Sprint(tcp.Port) {
		return false
	}
	ip, err := netip.ParseAddr(host)
	if host == "" || err == nil && ip.IsUnspecified() {
		return tcp.IP.IsUnspecified()
	}
	return err == nil && ip.Unmap() == tcp.AddrPort().Addr().Unmap()
}

// listenAdmin opens the operator's socket, mode 0600. The state directory is
// locked, so a socket that is there and answers nobody is a dead daemon's.
func listenAdmin(path string) (net.Listener, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case info.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("%s is in the way: it is no socket", path)
	default:
		if other, err := net.Dial("unix", path); err == nil {
			other.Close()
			return nil, fmt.Errorf("another daemon listens on %s", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		if len(path) > maxSocketPath {
			err = fmt.Errorf("%w (the path is too long for a socket: %d bytes, at most %d)", err, len(path), maxSocketPath)
		}
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// maxSocketPath is what fits into a sockaddr_un with its final zero: unix(7).
const maxSocketPath = 107
