package admin_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"posko/server/account"
	"posko/server/admin"
	"posko/server/hub"
	"posko/server/line"
	"posko/server/sandbox"
	"posko/server/store"
)

// rooms are what the dialect works with, all of them real.
type rooms struct {
	dir      string
	accounts *account.Directory
	hub      *hub.Hub
	disk     *sandbox.Disk
	status   admin.Status
	issuer   issuer
	log      buffer
	client   *line.Client
}

// An issuer is an authority that issues texts, or fails with err.
type issuer struct{ err error }

func (i *issuer) CA() (pem []byte, fingerprint string, err error) {
	return []byte("BEGIN\nca\nEND\n"), "AB:CD", i.err
}

func (i *issuer) RenewCA() error { return i.err }

func (i *issuer) IssueServer(names []string) ([]byte, error) {
	return []byte("BEGIN\n" + strings.Join(names, "\n") + "\nEND\n"), i.err
}

func (i *issuer) IssueClient(name string) ([]byte, error) {
	return []byte("BEGIN\n" + name + "\nEND\n"), i.err
}

// A buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func open(t *testing.T) *rooms {
	t.Helper()
	r := &rooms{dir: t.TempDir()}
	log := slog.New(slog.NewTextHandler(&r.log, nil))
	st, err := store.Open(t.Context(), r.dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	r.accounts, err = account.New(st.Accounts(), account.Options{MinPassword: 8, Cost: account.Cost{Memory: 8, Time: 1}})
	if err != nil {
		t.Fatal(err)
	}
	if r.disk, err = sandbox.Open(filepath.Join(r.dir, "files"), st, sandbox.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.disk.Close() })
	if r.hub, err = hub.New(t.Context(), hub.Options{Store: st, Log: log, Settings: hub.Settings{Trash: time.Hour}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.hub.Close)
	dialect := admin.New(admin.Options{
		Accounts: r.accounts, Hub: r.hub, Disk: r.disk,
		Status:      func() admin.Status { return r.status },
		Authority:   &r.issuer,
		MinPassword: func() int { return 8 },
	})
	here, there := net.Pipe()
	here.SetDeadline(time.Now().Add(10 * time.Second))
	served := make(chan error, 1)
	dialect.Start(context.Background(), line.NewConn(there, &line.Options{Log: log}, 0), func(err error) { served <- err })
	t.Cleanup(func() {
		here.Close()
		<-served
	})
	r.client = line.NewClient(here)
	return r
}

// do sends a command and returns its answer as one text, each row on a line of
// its own, and times as TIME.
func (r *rooms) do(t *testing.T, command string) string {
	t.Helper()
	a, err := r.client.Do(command)
	if refused, ok := errors.AsType[line.Refusal](err); ok {
		return "[ERR] " + string(refused)
	}
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	text := strings.Join(append([]string{"[OK] " + a.Text}, a.Rows...), "\n")
	text = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`).ReplaceAllString(text, "TIME")
	return regexp.MustCompile(`^\[OK\] [A-Z2-7]{26}$`).ReplaceAllString(text, "[OK] CODE")
}

func TestCommands(t *testing.T) {
	r := open(t)
	for _, step := range []struct{ command, want string }{
		{"USERADD ani rahasia1", "[OK] account added"},
		{"useradd Budi rahasia2", "[OK] account added"},
		{"USERADD ANI rahasia3", "[ERR] the name is taken by an account or group that has it or one that looks the same"},
		{"USERADD anl rahasia3", "[ERR] the name is taken by an account or group that has it or one that looks the same"},
		{"USERADD citra rahasi3", "[ERR] password needs at least 8 characters"},
		{"USERADD citra rahasia 3", "[ERR] a password is 1 to 128 letters and digits"},
		{"USERADD ci-tra rahasia3", "[ERR] a name is 1 to 32 letters and digits"},
		{"USERADD citra", "[ERR] wrong arguments; HELP lists them"},
		{"USERADD citra\x01 rahasia3", "[ERR] wrong arguments; HELP lists them"},
		{"USERPASSWD ani rahasia4", "[OK] password changed, sessions ended"},
		{"USERPASSWD ani kurang", "[ERR] password needs at least 8 characters"},
		{"USERPASSWD dodi rahasia4", "[ERR] no account dodi"},
		{"USERDISABLE budi", "[OK] account disabled, sessions ended"},
		{"USERDISABLE dodi", "[ERR] no account dodi"},
		{"USERSET ani admin=true", "[OK] account changed"},
		{"USERSET ani admin=ya", "[ERR] admin must be true or false"},
		{"USERSET ani quota=5MiB", "[ERR] quota must be a number of bytes, 0 for no limit, or default"},
		{"USERSET ani quota=-1", "[ERR] quota must be a number of bytes, 0 for no limit, or default"},
		{"USERSET ani rate=1023", "[ERR] rate must be at least 1024 bytes per second, 0 for no limit, or default"},
		{"USERSET ani files=write", "[ERR] files must be full, read or upload"},
		{"USERSET ani files=read colour=red", `[ERR] no setting "colour"; there are admin, files, quota and rate`},
		{"USERSET ani files=upload quota=0 rate=1024", "[OK] account changed"},
		{"USERSET dodi admin=true", "[ERR] no account dodi"},
		{"USERLIST", "[OK] 2 baris\nani\tenabled\tyes\toffline\tTIME\nBudi\tdisabled\tno\toffline\tTIME"},
		{"USERENABLE budi", "[OK] account enabled"},
		{"USERENABLE dodi", "[ERR] no account dodi"},
		{"GROUPADD dapur BUDI kunci", "[OK] group added"},
		{"GROUPADD dapur ani kunci", "[ERR] the name is taken by an account or group that has it or one that looks the same"},
		{"GROUPADD ani ani kunci", "[ERR] the name is taken by an account or group that has it or one that looks the same"},
		{"GROUPADD gudang dodi kunci", "[ERR] no account dodi"},
		{"GROUPADD gudang! ani kunci", "[ERR] a name is 1 to 32 letters and digits"},
		{"GROUPADD gudang ani kun ci", "[ERR] a password is 1 to 128 letters and digits"},
		{"GROUPPASSWD dapur kunci2", "[OK] password changed"},
		{"GROUPPASSWD gudang kunci2", "[ERR] no group gudang"},
		{"INVITE 2 1h gudang", "[ERR] no group gudang"},
		{"INVITE 0 1h", "[ERR] an invitation has 1 to 10000 uses and lasts up to 8760h"},
		{"INVITE x 1h", "[ERR] an invitation has 1 to 10000 uses and lasts up to 8760h"},
		{"INVITE 1 -1h", "[ERR] an invitation has 1 to 10000 uses and lasts up to 8760h"},
		{"INVITE 1 soon", "[ERR] an invitation has 1 to 10000 uses and lasts up to 8760h"},
		{"INVITELIST", "[OK] 0 baris"},
		{"INVITE 2 1h Dapur", "[OK] CODE"},
		{"INVITE 1 1h", "[OK] CODE"},
		{"INVITELIST", "[OK] 2 baris\n1\t2\t2\tdapur\tTIME\tTIME\n2\t1\t1\t-\tTIME\tTIME"},
		{"INVITEREVOKE 2", "[OK] invitation revoked"},
		{"INVITEREVOKE 2", "[ERR] no invitation 2; poskod invite list shows them"},
		{"INVITEREVOKE all", "[ERR] no invitation all; poskod invite list shows them"},
		{"GROUPLIST", "[OK] 1 baris\ndapur\tBudi\t1\t0\tTIME"},
		{"GROUPSHOW dapur", "[OK] 5 baris\nname\tdapur\nmade\tTIME\nmessages\t0\nowner\tBudi (offline)\ndone\tTIME (poskod) changed the password"},
		{"GROUPSHOW gudang", "[ERR] no group gudang"},
		{"USERSHOW budi", "[OK] 9 baris\nname\tBudi\nstate\tenabled\nadministrator\tno\npresence\toffline\nmade\tTIME\nfiles\tfull\nquota\tdefault\nrate\tdefault\ngroups\tdapur (owner)"},
		{"USERSHOW ani", "[OK] 9 baris\nname\tani\nstate\tenabled\nadministrator\tyes\npresence\toffline\nmade\tTIME\nfiles\tupload\nquota\tno limit\nrate\t1024 bytes per second\ngroups\t-"},
		{"USERSHOW dodi", "[ERR] no account dodi"},
		{"USERSHOW do-di", "[ERR] a name is 1 to 32 letters and digits"},
		{"USERDEL budi", "[OK] account and its files deleted, sessions ended"},
		{"USERDEL budi", "[ERR] no account budi"},
		{"GROUPLIST", "[OK] 1 baris\ndapur\t-\t0\t0\tTIME"},
		{"GROUPDROPPED", "[OK] 0 baris"},
		{"GROUPDROP dapur", "[OK] group dropped"},
		{"GROUPDROPPED", "[OK] 1 baris\n1\tdapur\tTIME\tTIME"},
		{"GROUPRESTORE 2", "[ERR] no dropped group 2; poskod group list --dropped shows them"},
		{"GROUPRESTORE dapur", "[ERR] no dropped group dapur; poskod group list --dropped shows them"},
		{"USERADD dapur rahasia1", "[OK] account added"},
		{"GROUPRESTORE 1", "[ERR] the name is taken by an account or group that has it or one that looks the same"},
		{"USERDEL dapur", "[OK] account and its files deleted, sessions ended"},
		{"GROUPRESTORE 1", "[OK] group restored"},
		{"GROUPDROPPED", "[OK] 0 baris"},
		{"GROUPDROP dapur", "[OK] group dropped"},
		{"GROUPDROP dapur", "[ERR] no group dapur"},
		{"GROUPLIST", "[OK] 0 baris"},
		{"PING", "[OK] PONG"},
		{"WHAT", "[ERR] no such command; HELP lists them"},
		{"EXIT", "[OK] bye"},
	} {
		if diff := cmp.Diff(step.want, r.do(t, step.command)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.command, diff)
		}
	}
	for _, secret := range []string{"rahasia", "kunci"} {
		if strings.Contains(r.log.String(), secret) {
			t.Errorf("the log holds %q:\n%s", secret, r.log.String())
		}
	}
}

// attach logs an account in, as a session that is told nothing, and returns
// where the reason of its end will come.
func (r *rooms) attach(t *testing.T, name string) (*hub.Session, <-chan hub.Reason) {
	t.Helper()
	a, err := r.accounts.Find(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan hub.Reason, 1)
	s, err := r.hub.Attach(t.Context(), hub.Attachment{
		Account: hub.Account{ID: a.ID, Name: a.Name, Admin: a.Admin},
		End:     func(why hub.Reason) { ended <- why },
	}, func(ctx context.Context) error { return r.accounts.Confirm(ctx, a) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Detach(false) })
	return s, ended
}

func TestSessionsEnd(t *testing.T) {
	for command, want := range map[string]hub.Reason{
		"USERDEL ani":                    hub.AccountDeleted,
		"USERDISABLE ani":                hub.AccountDisabled,
		"USERPASSWD ani rahasia12":       hub.PasswordChanged,
		"USERCERTDEL ani " + fingerprint: hub.CertificateRevoked,
	} {
		t.Run(command, func(t *testing.T) {
			r := open(t)
			r.do(t, "USERADD ani rahasia1")
			_, ended := r.attach(t, "ani")
			r.do(t, command)
			select {
			case got := <-ended:
				if got != want {
					t.Errorf("ended for reason %v, want %v", got, want)
				}
			default:
				t.Error("the session was not ended before the answer")
			}
		})
	}
}

func TestUserDelFiles(t *testing.T) {
	r := open(t)
	r.do(t, "USERADD ani rahasia1")
	a, err := r.accounts.Find(t.Context(), "ani")
	if err != nil {
		t.Fatal(err)
	}
	box, err := r.disk.Account(t.Context(), a.ID, sandbox.Groups{})
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	home := filepath.Join(r.dir, "files", strconv.FormatInt(a.ID, 10))
	if _, err := os.Stat(home); err != nil {
		t.Fatal(err)
	}
	r.do(t, "USERDEL ani")
	if _, err := os.Stat(home); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the files are still there: %v", err)
	}
}

func TestUserDelLeftover(t *testing.T) {
	r := open(t)
	r.do(t, "USERADD ani rahasia1")
	r.disk.Close() // so that nothing can be removed
	if got := r.do(t, "USERDEL ani"); !strings.Contains(got, "its files are still there") {
		t.Errorf("got %q", got)
	}
	if got := r.do(t, "USERSHOW ani"); got != "[ERR] no account ani" {
		t.Errorf("got %q", got)
	}
	if !strings.Contains(r.log.String(), "files of a deleted account not removed") {
		t.Error("the log doesn't say so")
	}
}

func TestUserSetAdmin(t *testing.T) {
	r := open(t)
	r.do(t, "USERADD ani rahasia1")
	s, _ := r.attach(t, "ani")
	broadcast := func() error {
		done := make(chan error, 1)
		s.Broadcast("halo", func(err error) { done <- err })
		return <-done
	}
	if err := broadcast(); !errors.Is(err, hub.ErrDenied) {
		t.Errorf("before: %v", err)
	}
	r.do(t, "USERSET ani admin=true")
	if err := broadcast(); err != nil {
		t.Errorf("as an administrator: %v", err)
	}
	r.do(t, "USERSET ani admin=false")
	if err := broadcast(); !errors.Is(err, hub.ErrDenied) {
		t.Errorf("afterwards: %v", err)
	}
}

func TestStatus(t *testing.T) {
	r := open(t)
	r.do(t, "USERADD ani rahasia1")
	now := time.Now()
	r.status = admin.Status{
		Version: "v1.2.3", Started: now.Add(-time.Hour), Online: 1,
		Connections: map[string]int{"chat": 2},
		Listening:   map[string][]string{"chat": {"127.0.0.1:7700", "[::1]:7700"}, "files": {"127.0.0.1:7721"}},
		Certificates: []admin.Certificate{{
			Names: []string{"posko.example", "127.0.0.1"}, Issuer: "an authority",
			NotAfter: now.Add(36 * time.Hour), Err: errors.New("one\ntwo"),
		}},
	}
	want := `[OK] 8 baris
version	v1.2.3
started	TIME (1h0m0s ago)
accounts	1, 1 online
groups	0
chat	2 connections, listening on 127.0.0.1:7700, [::1]:7700
files	0 connections, listening on 127.0.0.1:7721
certificate	posko.example 127.0.0.1, by an authority, until TIME (1 days); not renewed: one two
configuration	in use`
	if diff := cmp.Diff(want, r.do(t, "STATUS")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	r.status = admin.Status{Started: now, Reload: errors.New("first complaint\nsecond \x1b complaint")}
	want = `
configuration	the last reload was refused, the one before is in use
	first complaint
	second   complaint`
	if got := r.do(t, "STATUS"); !strings.HasSuffix(got, want) {
		t.Errorf("got %q, want the end %q", got, want)
	}
}

func TestDays(t *testing.T) {
	now := time.Now()
	for left, want := range map[time.Duration]int{
		48 * time.Hour: 2, 47 * time.Hour: 1, time.Hour: 0, -time.Hour: -1, -25 * time.Hour: -2,
	} {
		if got := (admin.Certificate{NotAfter: now.Add(left)}).Days(now); got != want {
			t.Errorf("%v: got %d, want %d", left, got, want)
		}
	}
}

var fingerprint = strings.Repeat("ab", 32)

// TestCertificates is about the server's certificates and the clients'.
func TestCertificates(t *testing.T) {
	r := open(t)
	soon := time.Now().Add(10*24*time.Hour + time.Hour)
	r.status.Certificates = []admin.Certificate{
		{Names: []string{"a.example", "b.example"}, Source: "file x", Issuer: "R3", NotAfter: soon, Tried: time.Now()},
		{Names: []string{"c.example"}, Source: "ACME", Err: errors.New("no\nroute"), Trouble: "there is none", Next: "mend that", Waiting: "the authority"},
		{Names: []string{"d.example"}, Source: "ACME", Issuer: "R3", NotAfter: soon, Tried: time.Now(), Err: errors.New("late"), Next: "wait"},
	}
	shown := strings.ToUpper(strings.Repeat("ab:", 31) + "ab")
	steps := func(steps ...[2]string) {
		t.Helper()
		for _, step := range steps {
			if diff := cmp.Diff(step[1], r.do(t, step[0])); diff != "" {
				t.Errorf("%s (-want +got):\n%s", step[0], diff)
			}
		}
	}
	steps([][2]string{
		{"CERT", `[OK] 23 baris
names	a.example b.example
state	good
source	file x
issuer	R3
not after	TIME
days left	10
last renewal	TIME succeeded

names	c.example
state	NEEDS YOU: there is none
to do	mend that
waiting for	the authority
source	ACME
last renewal	failed: no route

names	d.example
state	good for now, but the last renewal failed
to do	wait
source	ACME
issuer	R3
not after	TIME
days left	10
last renewal	TIME failed: late`},
		{"CERTCA", "[OK] 4 baris\nAB:CD\nBEGIN\nca\nEND"},
		{"CERTCARENEW", "[OK] certificate authority replaced; give its new certificate to every client"},
		{"USERADD Ani rahasia1", "[OK] account added"},
		{"USERADD budi rahasia1", "[OK] account added"},
		{"CERTISSUE server a.example 192.0.2.7", "[OK] 4 baris\nBEGIN\na.example\n192.0.2.7\nEND"},
		{"CERTISSUE client ANI", "[OK] 3 baris\nBEGIN\nAni\nEND"},
		{"CERTISSUE client ani budi", "[ERR] wrong arguments; HELP lists them"},
		{"CERTISSUE client dodi", "[ERR] no account dodi"},
		{"CERTISSUE toaster ani", "[ERR] wrong arguments; HELP lists them"},
		{"USERCERTADD ani " + fingerprint, "[OK] certificate bound to the account"},
		{"USERCERTADD budi " + fingerprint, "[ERR] the certificate is another account's; take it away from that one first"},
		{"USERCERTADD ani abc", "[ERR] a fingerprint is 64 hexadecimal digits, as openssl x509 -noout -fingerprint -sha256 -in FILE prints them"},
		{"USERCERTADD dodi " + fingerprint, "[ERR] no account dodi"},
		{"USERCERTLIST ani", "[OK] 1 baris\n" + shown + "\tbound\tTIME"},
		{"USERCERTLIST budi", "[OK] 0 baris"},
		{"USERCERTLIST dodi", "[ERR] no account dodi"},
		{"USERCERTDEL budi " + fingerprint, "[ERR] the certificate is another account's; take it away from that one first"},
		{"USERCERTDEL ani abc", "[ERR] a fingerprint is 64 hexadecimal digits, as openssl x509 -noout -fingerprint -sha256 -in FILE prints them"},
		{"USERCERTDEL ani " + shown, "[OK] certificate taken away from the account, sessions ended"},
		{"USERCERTDEL dodi " + fingerprint, "[ERR] no account dodi"},
		{"USERCERTLIST ani", "[OK] 1 baris\n" + shown + "\ttaken away\tTIME"},
	}...)
	r.issuer.err = errors.New("the disk\nis full")
	steps([][2]string{
		{"CERTCA", "[ERR] the disk is full"},
		{"CERTCARENEW", "[ERR] the disk is full"},
		{"CERTISSUE server a.example", "[ERR] the disk is full"},
		{"CERTISSUE client ani", "[ERR] the disk is full"},
	}...)
	log := r.log.String()
	if n := strings.Count(log, "certificate issued"); n != 2 || !strings.Contains(log, "for=client names=[Ani]") {
		t.Errorf("%d certificates issued, by the log:\n%s", n, log)
	}
}
