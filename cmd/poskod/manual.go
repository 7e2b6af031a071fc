package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// manual writes poskod(8) in man(7)'s macros. It holds no date, so that it only
// changes with what it describes.
func manual(w io.Writer, root *cobra.Command) error {
	m := &page{}
	m.line(".TH POSKOD 8 \"\" posko \"System Administration\"")
	m.section("NAME", "poskod - "+root.Short)
	m.line(".SH SYNOPSIS")
	m.line(`.B poskod`)
	m.line(`.I COMMAND`)
	m.line(`.RI [ FLAGS ]`)
	m.section("DESCRIPTION", root.Long)
	m.line(".SH COMMANDS")
	m.commands(root)
	m.line(".SH FLAGS OF EVERY COMMAND")
	m.verbatim(root.PersistentFlags().FlagUsages())
	for _, s := range manualEnd {
		m.section(s.title, s.text)
	}
	_, err := io.WriteString(w, m.String())
	return err
}

// manualEnd is what the tree of commands doesn't tell. A line that is indented
// stands as it is.
var manualEnd = []struct{ title, text string }{
	{"PASSWORDS", `A password is asked for twice, without echo, or read as one line with --stdin.
It is never an argument, which every user of the machine could see.`},
	{"CERTIFICATES BY ACME", `With tls.mode = "acme" an authority such as Let's Encrypt issues the certificates.
For an installed poskod that has a public name, set in /etc/posko/config.toml

  [tls]
  mode = "acme"
  names = ["chat.example.org"]
  [tls.acme]
  agreed_terms = true

and, since the daemon itself has no network, enable the service that gets them
and listens on port 80 for the authority's questions:

  systemctl enable --now poskod-acme.service
  systemctl reload poskod

Until the first one is there, clients get a certificate of posko's own authority.
"poskod cert" shows what is waited for and why the last try failed. Where port 80
can't be reached, enable poskod-acme-alpn.socket (port 443) in the place of
poskod-acme-http.socket, or set tls.acme.dns_hook. The hook runs in the sandbox of
poskod-acme.service; give it secrets with LoadCredential= in a drop-in. A changed
configuration is for both: "systemctl reload poskod" reaches both.

"poskod serve" without --no-acme does it all in one process.`},
	{"SIGNALS", `SIGTERM and SIGINT stop the daemon: clients are told, running commands and
transfers may end within limits.shutdown_grace. A second one ends it at once.
SIGHUP has it read the configuration again; a bad one is logged and changes
nothing. "systemctl reload poskod" fails with a bad one.`},
	{"EXIT STATUS", `0 if all went well, 1 if not, 2 if the command line was wrong.`},
	{"FILES", `/etc/posko/config.toml: the configuration, see posko.toml(5).

/var/lib/posko: the state directory of an installed poskod. Other
configurations say theirs in state.dir; without it, it is
$XDG_STATE_HOME/posko, or ~/.local/state/posko. In it:

posko.db: accounts, groups and messages, an SQLite database.

files/: the accounts' files. groups/: the files of groups.

tls/own/ca.pem: the certificate of the server's own authority. Clients need
it, and may have it.

tls/acme: what "poskod acme" and the daemon share. An installed poskod has it in
/var/lib/posko-acme, which belongs to the user posko-acme; of it the daemon can
read served/ alone: a certificate with its key for each name, and how the last
tries went.

lock: held by the daemon, or a command, for as long as it works there.

admin.sock: the operator's socket, mode 0600; with /etc/posko/config.toml it is
/run/posko/admin.sock.`},
	{"ENVIRONMENT", `STATE_DIRECTORY, XDG_STATE_HOME and HOME say where the state directory is if the
configuration does not. LISTEN_FDS, LISTEN_FDNAMES, NOTIFY_SOCKET,
WATCHDOG_USEC and CREDENTIALS_DIRECTORY are systemd's, see sd_listen_fds(3),
sd_notify(3) and systemd.exec(5).`},
	{"EXAMPLES", `Make an account, and one from a script:

  poskod user add ani
  pwgen -s 20 1 | tee ani.txt | poskod user add ani --stdin

Make a group that ani owns:

  poskod group add dapur --owner ani

Connect, on the same machine:

  openssl s_client -quiet -CAfile ca.pem -verify_return_error -verify_ip 127.0.0.1 -connect 127.0.0.1:7700

Stop an installed poskod for good: a client would start the service again.

  systemctl stop poskod-chat.socket poskod-files.socket poskod.service`},
	{"LOG OF ABUSE", `These lines, each with the client's address, stay as they are from version to
version. At the level info: "login refused", with protocol, conn, account,
address and err, which is "account: wrong password", "account: no such account",
"account: too many failed attempts" (the password was not looked at) or another
reason that is no guess; "slow reader cut off", with the same but for account, and
with cause: stalled (it took no byte for limits.write_timeout) or overflow (more
than limits.outbox waited for it). At the level warn: "connection refused: too
many", with address, connections and of_address, at most every ten seconds.

In the journal a line is its text and these attributes. A filter for fail2ban,
with a jail to go with it, is in /usr/share/doc/posko/examples/fail2ban.conf.`},
	{"TRANSFER LOG", `Each upload, download, deletion and renaming of a file is one line of the log, at
the level info, with these attributes: account, address, path (and, of a
renaming, to), bytes that were moved, duration, result, and err with what went
wrong. The result is "ok"; "refused": nothing has changed; "aborted": the
connection broke or was cut off before all bytes were there; or "unclear": the
disk failed at the end, and what was done may not outlast a power cut. Paths are
as the account sees them, quoted where they hold anything but plain characters,
so that no name can look like an attribute or another line. With the journal:

  journalctl -u poskod -o json POSKO_ACCOUNT=ani POSKO_RESULT=aborted

log.xferlog names a file that gets the same in the format of xferlog(5), for
tools that read it: uploads (i), downloads (o) and deletions (d), complete (c)
or incomplete (i), with the local time of their end; what was refused before it
began and renamings are left out. In names, blanks and what cannot be printed
are "_". A failure to write there, on a full disk say, is logged and disturbs no
transfer. For logrotate(8):

  /var/log/posko/xferlog {
      su posko posko
      weekly
      rotate 8
      compress
      delaycompress
      missingok
      postrotate
          systemctl reload poskod.service
      endscript
  }`},
	{"SEE ALSO", `posko.toml(5), posko-protocol(7), systemctl(1), journalctl(1), openssl-s_client(1ssl)`},
}

// A page is a manual page that is being written.
type page struct{ strings.Builder }

func (m *page) line(text string) { m.WriteString(text + "\n") }

// roff keeps text from meaning anything to roff within a line.
var roff = strings.NewReplacer(`\`, `\e`, `-`, `\-`, `'`, `\(aq`, "`", "\\(ga", `^`, `\(ha`, `~`, `\(ti`)

// text is one line of running text, which must not begin like a macro.
func (m *page) text(text string) {
	text = roff.Replace(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	m.line(text)
}

func (m *page) section(title, text string) {
	m.line(".SH " + title)
	m.paragraphs(text)
}

// paragraphs writes paragraphs, those that are indented as they are.
func (m *page) paragraphs(text string) {
	for i, paragraph := range strings.Split(text, "\n\n") {
		if strings.HasPrefix(paragraph, "  ") {
			m.verbatim(paragraph)
			continue
		}
		if i > 0 {
			m.line(".PP")
		}
		for text := range strings.SplitSeq(paragraph, "\n") {
			m.text(text)
		}
	}
}

func (m *page) verbatim(text string) {
	m.line(".PP\n.nf")
	for text := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		m.text(text)
	}
	m.line(".fi")
}

// commands writes the commands below cmd, in the order of their names.
func (m *page) commands(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		if sub.Hidden || sub.Name() == "help" {
			continue
		}
		if !sub.HasSubCommands() || sub.HasLocalFlags() { // else it does nothing by itself
			m.command(sub)
		}
		m.commands(sub)
	}
}

func (m *page) command(sub *cobra.Command) {
	m.line(".TP")
	m.line(fmt.Sprintf(`.B "%s"`, roff.Replace(strings.TrimSuffix(sub.UseLine(), " [flags]"))))
	if sub.Long == "" {
		m.text(sentence(sub.Short))
	} else {
		m.line(".RS")
		m.paragraphs(sub.Long)
		m.line(".RE")
	}
	if sub.HasLocalFlags() {
		m.line(".RS")
		m.verbatim(sub.LocalFlags().FlagUsages())
		m.line(".RE")
	}
}

// sentence makes one of what a command does.
func sentence(short string) string { return strings.ToUpper(short[:1]) + short[1:] + "." }
