package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"posko/server/line"
)

// Serve accepts connections, by protocol, until Shutdown. It returns
// ErrServerClosed then, or the error of a listener that broke. It closes the
// listeners.
func (s *Server) Serve(listeners map[string][]net.Listener) error {
	failed := make(chan error, 1)
	for name, all := range listeners {
		if name != ProtocolMetrics && s.dialects[name] == nil {
			return fmt.Errorf("server: no protocol %q", name)
		}
		for _, l := range all {
			s.listen(name, l, failed)
		}
	}
	done := make(chan struct{})
	go func() {
		s.accepting.Wait()
		s.webLoops.Wait()
		close(done)
	}()
	select {
	case err := <-failed:
		return err
	case <-done:
		return ErrServerClosed
	}
}

// listen accepts from a listener, or closes it if the server stops. An error
// goes to failed, which takes the first one.
func (s *Server) listen(name string, l net.Listener, failed chan<- error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		l.Close()
		return
	}
	loops, serve := &s.accepting, s.accept
	if name == ProtocolMetrics { // the web server keeps its listeners itself, and closes them last
		loops, serve = &s.webLoops, s.serveWeb
	} else {
		s.listeners[l] = name
	}
	loops.Go(func() {
		defer l.Close()
		if err := serve(name, l); err != nil {
			select {
			case failed <- err:
			default:
			}
		}
	})
}

// Pauses after an accept that failed for want of descriptors or memory.
const (
	firstPause = 5 * time.Millisecond
	mostPause  = time.Second
)

// accept returns nil once the server stops.
func (s *Server) accept(name string, l net.Listener) error {
	pause := firstPause
	for {
		nc, err := l.Accept()
		switch {
		case err == nil:
			pause = firstPause
			s.Handle(name, nc)
		case s.isStopping():
			return nil
		case s.isKnock(l, err):
		case !isTemporary(err):
			return err
		default:
			s.log.Warn("accept failed", "protocol", name, "err", err, "retry_in", pause)
			select {
			case <-time.After(pause):
			case <-s.stopped:
				return nil
			}
			pause = min(2*pause, mostPause)
		}
	}
}

// isTemporary tells what passes from what does not: want of descriptors or
// memory, and an error of the connection that was to be accepted, which Linux
// reports here (accept(2)).
func isTemporary(err error) bool {
	switch no, _ := errors.AsType[syscall.Errno](err); no {
	case syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
		syscall.ECONNABORTED, syscall.EPERM, syscall.EPROTO, syscall.ENOPROTOOPT,
		syscall.EOPNOTSUPP, syscall.ENETDOWN, syscall.ENETUNREACH,
		syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.ETIMEDOUT:
		return true
	}
	return false
}

func (s *Server) isStopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopping
}

// Handle has one connection of a protocol served, if the limits admit it. It
// doesn't wait.
func (s *Server) Handle(name string, nc net.Conn) {
	release := func() {}
	if name != ProtocolAdmin {
		var ok bool
		if release, ok = s.limits.admit(nc.RemoteAddr()); !ok {
			nc.Close()
			return
		}
	}
	cfg := s.config.Load()
	if tcp, ok := nc.(*net.TCPConn); ok {
		keepalive := time.Duration(cfg.Limits.Keepalive)
		tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: keepalive > 0, Idle: keepalive, Interval: keepalive / 4})
	}
	s.mu.Lock()
	s.lastID++
	c := line.NewConn(nc, (*s.lines.Load())[name], s.lastID)
	if s.shut {
		s.mu.Unlock()
		release()
		nc.Close()
		return
	}
	if s.stopping { // it was accepted just before: it is told so, like all others
		c.Stop()
	}
	s.open[c] = name
	ended := s.metrics.began(name)
	s.conns.Add(1)
	s.dialects[name].Start(s.ctx, c, func(err error) {
		defer s.conns.Done()
		ended(c.Cause())
		s.mu.Lock()
		delete(s.open, c)
		s.mu.Unlock()
		release()
		if bad, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
			c.Log().Info("client certificate refused", "address", nc.RemoteAddr(), "err", bad)
		} else if why := c.Cause(); why == line.Stalled || why == line.Overflow {
			c.Log().Info("slow reader cut off", "address", nc.RemoteAddr(), "cause", why)
		} else if err != nil {
			c.Log().Debug("connection broke", "address", nc.RemoteAddr(), "err", err)
		}
	})
	s.mu.Unlock()
}
