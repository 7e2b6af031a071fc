package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"posko/server"
	"posko/server/admin"
	"posko/server/line"
	"posko/server/store"
)

// answerTime is how long the daemon may take to show that it is alive. What it
// is then asked to do may take longer.
const answerTime = 5 * time.Second

var errDown = errors.New("not running")

// do has one command of the operator's done: by the daemon, or here on its
// state while it is down.
func (p *program) do(ctx context.Context, verb string, args ...string) (line.Answer, error) {
	s, err := p.load()
	if s.socket == "" {
		return line.Answer{}, err
	}
	answer, failed := ask(s.socket, verb, args...)
	switch {
	case !errors.Is(failed, errDown):
		return answer, failed
	case err != nil:
		return line.Answer{}, err
	}
	return offline(ctx, s, verb, args...)
}

// ask has the daemon do a command, once it has shown that it is alive. It
// returns errDown if there is none.
func ask(socket, verb string, args ...string) (line.Answer, error) {
	client, nc, err := reach(socket)
	if err != nil {
		return line.Answer{}, err
	}
	defer nc.Close()
	return command(client, verb, args...)
}

// reach connects to the daemon and makes sure that it answers.
func reach(socket string) (*line.Client, net.Conn, error) {
	nc, err := net.DialTimeout("unix", socket, answerTime)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, nil, fmt.Errorf("%w: nothing listens on %s", errDown, socket)
	case err != nil:
		return nil, nil, allowed(err)
	}
	client := line.NewClient(nc)
	nc.SetDeadline(time.Now().Add(answerTime))
	if _, err := client.Do("PING"); err != nil {
		nc.Close()
		return nil, nil, fmt.Errorf("poskod does not answer on %s: %w", socket, err)
	}
	nc.SetDeadline(time.Time{})
	return client, nc, nil
}

// offline does a command on the state directory.
func offline(ctx context.Context, s settings, verb string, args ...string) (_ line.Answer, err error) {
	if err := becomeOwner(s.dir); err != nil {
		return line.Answer{}, err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	st, err := store.Open(ctx, s.dir, store.Options{Log: log, Prepare: server.FinishRestore})
	if errors.Is(err, store.ErrInUse) {
		return line.Answer{}, fmt.Errorf("%w, which does not listen on %s: perhaps it is starting or stopping", err, s.socket)
	}
	if err != nil {
		return line.Answer{}, allowed(err)
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	srv, err := server.New(ctx, server.Options{
		Config: s.Config, Dir: s.dir, Accounts: st.Accounts(), Hub: st, Files: st, Log: log,
		// The operator's protocol alone is spoken here. No handshake succeeds
		// without a certificate.
		TLS:       func(string) *tls.Config { return &tls.Config{} },
		Describe:  func(st *admin.Status) { st.Certificates = inspect(s) },
		Authority: newCertificates(s, log),
	})
	if err != nil {
		return line.Answer{}, allowed(err)
	}
	defer func() { err = errors.Join(err, srv.Shutdown(ctx)) }()
	here, there := net.Pipe()
	defer here.Close() // before Shutdown, which then has nobody to say goodbye to
	srv.Handle(server.ProtocolAdmin, there)
	return command(line.NewClient(here), verb, args...)
}

var errWord = errors.New("names and passwords are letters and digits")

// command sends one command and awaits its answer. No argument can begin
// another command.
func command(client *line.Client, verb string, args ...string) (line.Answer, error) {
	for _, arg := range args {
		if arg == "" || strings.ContainsFunc(arg, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
			return line.Answer{}, errWord
		}
	}
	return client.Do(strings.Join(append([]string{verb}, args...), " "))
}

// tell does a command and prints what it is answered.
func (p *program) tell(cmd *cobra.Command, verb string, args ...string) error {
	answer, err := p.do(cmd.Context(), verb, args...)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), answer.Text)
	return err
}

// show does a command and prints its rows as a table, under the headings, if
// there are any.
func (p *program) show(cmd *cobra.Command, headings, verb string, args ...string) error {
	answer, err := p.do(cmd.Context(), verb, args...)
	if err != nil {
		return err
	}
	return table(cmd, headings, answer.Rows)
}

func table(cmd *cobra.Command, headings string, rows []string) error {
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	if headings != "" {
		fmt.Fprintln(w, headings)
	}
	for _, row := range rows {
		fmt.Fprintln(w, row)
	}
	return w.Flush()
}
