package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// pieceSize is what the limit and the load read and write at once.
const pieceSize = 256 << 10

// A collector reads ahead and collects what is written under a TLS connection.
type collector struct {
	net.Conn
	r *bufio.Reader
	w *bufio.Writer
}

func (c *collector) Read(b []byte) (int, error) {
	if err := c.w.Flush(); err != nil {
		return 0, err
	}
	return c.r.Read(b)
}

func (c *collector) Write(b []byte) (int, error) { return c.w.Write(b) }

// startRaw starts this program as the limit.
func (b *bench) startRaw(ctx context.Context, dir string) (*server, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return b.launch(ctx, dir, addr, nil, self, "-raw="+addr, b.cert, b.key)
}

// serveRaw is the limit that nobody can cross: a bare TLS connection that moves
// the bytes of files in its working directory, without any rule. Of posko's
// protocol it knows what the load says.
func serveRaw(addr, certFile, keyFile string) error {
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	for {
		nc, err := ln.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer nc.Close()
			under := &collector{nc, bufio.NewReaderSize(nc, pieceSize), bufio.NewWriterSize(nc, pieceSize)}
			tc := tls.Server(under, &tls.Config{Certificates: []tls.Certificate{cert}, DynamicRecordSizingDisabled: true})
			if err := rawSession(tc, under.w); !errors.Is(err, io.EOF) {
				fmt.Fprintln(os.Stderr, err)
			}
		}()
	}
}

// rawSession serves a connection until its end, which is an error too.
func rawSession(tc *tls.Conn, under *bufio.Writer) error {
	lines, piece := bufio.NewReaderSize(tc, 4<<10), make([]byte, pieceSize)
	var announced int64
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return err
		}
		verb, arg, _ := strings.Cut(strings.TrimSpace(line), " ")
		answer := "[OK] " + arg + "\n"
		switch verb {
		case "ALLO":
			if announced, err = strconv.ParseInt(arg, 10, 64); err != nil {
				return err
			}
		case "RETR":
			if err := rawSend(tc, filepath.Base(arg), piece); err != nil {
				return err
			}
			answer = ""
		case "PUT":
			if _, err := tc.Write([]byte(answer)); err != nil {
				return err
			}
			if err := under.Flush(); err != nil {
				return err
			}
			if err := rawKeep(io.LimitReader(lines, announced), filepath.Base(arg), piece); err != nil {
				return err
			}
		}
		if _, err := io.WriteString(tc, answer); err != nil {
			return err
		}
		if err := under.Flush(); err != nil {
			return err
		}
	}
}

func rawSend(w io.Writer, name string, piece []byte) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "[OK] %d byte\n", info.Size()); err != nil {
		return err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{file}, piece)
	return err
}

func rawKeep(r io.Reader, name string, piece []byte) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	defer file.Close()
	for {
		n, err := io.ReadFull(r, piece)
		if _, err := file.Write(piece[:n]); err != nil {
			return err
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return file.Sync()
		case err != nil:
			return err
		}
	}
}
