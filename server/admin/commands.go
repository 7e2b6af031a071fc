package admin

import (
	"context"

	"posko/server/account"
	"posko/server/hub"
	"posko/server/line"
	"posko/server/sandbox"
)

// kept is how a row words that a change could not be kept.
var kept = line.Refusals{
	{Err: account.ErrFull, Say: errFull},
	{Err: hub.ErrFull, Say: errFull},
	{Err: sandbox.ErrNoSpace, Say: errFull},
	{Err: hub.ErrClosed, Say: errStopping},
	{Err: hub.ErrInDoubt, Say: line.NoAnswer},
}

// adding is how a row that makes an account or a group refuses it.
var adding = append(line.Refusals{
	{Err: account.ErrPasswordForm, Say: errPasswordForm},
	{Err: account.ErrNameTaken, Say: errNameTaken},
	{Err: hub.ErrNameTaken, Say: errNameTaken},
}, kept...)

// certificates is how a row that changes whose a certificate is refuses that.
var certificates = append(line.Refusals{
	{Err: account.ErrFingerprint, Say: errFingerprint},
	{Err: account.ErrCertificateTaken, Say: errCertificateTaken},
}, kept...)

// newTable makes the table of commands. Names are checked where they are looked
// up, so that a refusal can say what is wrong with them. A password takes the
// rest of the line, so that one with a space is told what a password is.
func newTable() *line.Table[*session] {
	return line.NewTable(phrases, nil,
		line.Command[*session]{
			Name: "USERADD", Args: "NAME PASSWORD...", Help: "make an account",
			Secret: true, Done: okUserAdded, Refuses: adding,
			Run: (*session).addUser,
		},
		line.Command[*session]{
			Name: "USERPASSWD", Args: "NAME PASSWORD...", Help: "change an account's password and end its sessions",
			Secret: true, Done: okUserPassword, Refuses: adding,
			Run: (*session).userPassword,
		},
		line.Command[*session]{
			Name: "USERDISABLE", Args: "NAME", Help: "shut an account out and end its sessions",
			Done: okUserDisabled, Refuses: kept,
			Run: (*session).disableUser,
		},
		line.Command[*session]{
			Name: "USERENABLE", Args: "NAME", Help: "let a disabled account in again",
			Done: okUserEnabled, Refuses: kept,
			Run: (*session).enableUser,
		},
		line.Command[*session]{
			Name: "USERDEL", Args: "NAME", Help: "delete an account with its files and end its sessions",
			Done: okUserDeleted, Refuses: kept,
			Run: (*session).deleteUser,
		},
		line.Command[*session]{
			Name: "USERLIST", Help: "list the accounts: name, state, administrator, presence, when it was made",
			Run: (*session).listUsers,
		},
		line.Command[*session]{
			Name: "USERSHOW", Args: "NAME", Help: "show an account",
			Run: (*session).showUser,
		},
		line.Command[*session]{
			Name: "USERSET", Args: "NAME KEY=VALUE...",
			Help: "change settings of an account: admin=BOOL, files=full, read or upload, quota=BYTES and rate=BYTES a second, where 0 is no limit and default that of the configuration",
			Done: okUserSet, Refuses: kept,
			Run: (*session).setUser,
		},
		line.Command[*session]{
			Name: "USERCERTADD", Args: "NAME FINGERPRINT", Help: "bind a client certificate to an account, by its SHA-256 fingerprint",
			Done: okCertAdded, Refuses: certificates,
			Run: (*session).addCertificate,
		},
		line.Command[*session]{
			Name: "USERCERTDEL", Args: "NAME FINGERPRINT", Help: "take a client certificate away from an account for good and end its sessions",
			Done: okCertRevoked, Refuses: certificates,
			Run: (*session).revokeCertificate,
		},
		line.Command[*session]{
			Name: "USERCERTLIST", Args: "NAME", Help: "list an account's client certificates: fingerprint, state, since when",
			Run: (*session).listCertificates,
		},
		line.Command[*session]{
			Name: "GROUPADD", Args: "NAME OWNER PASSWORD...", Help: "make a group that an account owns",
			Secret: true, Done: okGroupAdded, Refuses: adding,
			Run: (*session).addGroup,
		},
		line.Command[*session]{
			Name: "GROUPPASSWD", Args: "NAME PASSWORD...", Help: "change a group's password",
			Secret: true, Done: okGroupPassword, Refuses: adding,
			Run: (*session).groupPassword,
		},
		line.Command[*session]{
			Name: "GROUPLIST", Help: "list the groups: name, owner, members, messages, when it was made",
			Run: (*session).listGroups,
		},
		line.Command[*session]{
			Name: "GROUPSHOW", Args: "NAME", Help: "show a group: its members, who is banned or muted, and what was done in it lately",
			Run: (*session).showGroup,
		},
		line.Command[*session]{
			Name: "GROUPDROP", Args: "NAME", Help: "drop a group",
			Done: okGroupDropped, Refuses: kept,
			Run: (*session).dropGroup,
		},
		line.Command[*session]{
			Name: "GROUPDROPPED", Help: "list the dropped groups that can be restored: number, name, when it was dropped, until when it is kept",
			Run: (*session).listDropped,
		},
		line.Command[*session]{
			Name: "GROUPRESTORE", Args: "ID", Help: "bring a dropped group back",
			Done: okGroupRestored, Refuses: adding,
			Run: (*session).restoreGroup,
		},
		line.Command[*session]{
			Name: "INVITE", Args: "USES LIFE [GROUP]", Help: "make an invitation, and say its code",
			Says:    "code",
			Refuses: append(line.Refusals{{Err: account.ErrInvitationBounds, Say: errInvitationBounds}}, kept...),
			Run:     (*session).invite,
		},
		line.Command[*session]{
			Name: "INVITELIST", Help: "list the invitations: number, uses left, uses, group, when it was made, when it expires",
			Run: (*session).listInvitations,
		},
		line.Command[*session]{
			Name: "INVITEREVOKE", Args: "ID", Help: "end an invitation",
			Done: okRevoked, Refuses: kept,
			Run: (*session).revokeInvitation,
		},
		line.Command[*session]{
			Name: "STATUS", Help: "show how the server does",
			Run: (*session).status,
		},
		line.Command[*session]{
			Name: "CERT", Help: "show the server's certificates",
			Run: (*session).certificates,
		},
		line.Command[*session]{
			Name: "CERTCA", Help: "show the fingerprint and the certificate of the server's own authority, in PEM",
			Run: (*session).authority,
		},
		line.Command[*session]{
			Name: "CERTCARENEW", Help: "replace the authority: what it has signed is worth nothing any more",
			Done: okAuthority,
			Run:  (*session).renewAuthority,
		},
		line.Command[*session]{
			Name: "CERTISSUE", Args: "PURPOSE NAMES...", Help: "issue a certificate: server NAME…, or client ACCOUNT; rows of PEM, the key first",
			Run: (*session).issue,
		},
		line.Command[*session]{
			Name: "PING", Help: "see whether the server answers",
			Done: okPong,
			Run:  (*session).nothing,
		},
		line.Command[*session]{
			Name: "EXIT", Aliases: []string{"QUIT"}, Help: "end the connection",
			Done: okFarewell, Final: true,
			Run: (*session).nothing,
		},
	)
}

func (s *session) nothing(context.Context, *line.Call) error { return nil }
