package admin

import (
	"fmt"

	"posko/server/hub"
	"posko/server/line"
)

// What a success is answered.
const (
	okUserAdded     = line.Reply("account added")
	okUserPassword  = line.Reply("password changed, sessions ended")
	okUserDisabled  = line.Reply("account disabled, sessions ended")
	okUserEnabled   = line.Reply("account enabled")
	okUserDeleted   = line.Reply("account and its files deleted, sessions ended")
	okUserLeftover  = line.Reply("account deleted, sessions ended; its files are still there, and will be removed at the next start (the log knows why)")
	okUserSet       = line.Reply("account changed")
	okGroupAdded    = line.Reply("group added")
	okGroupPassword = line.Reply("password changed")
	okGroupDropped  = line.Reply("group dropped")
	okCertAdded     = line.Reply("certificate bound to the account")
	okCertRevoked   = line.Reply("certificate taken away from the account, sessions ended")
	okAuthority     = line.Reply("certificate authority replaced; give its new certificate to every client")
	okGroupRestored = line.Reply("group restored")
	okRevoked       = line.Reply("invitation revoked")
	okPong          = line.Reply("PONG")
	okFarewell      = line.Reply("bye")
)

// What a refusal is answered.
const (
	errName             = line.Refusal("a name is 1 to 32 letters and digits")
	errPasswordForm     = line.Refusal("a password is 1 to 128 letters and digits")
	errNameTaken        = line.Refusal("the name is taken by an account or group that has it or one that looks the same")
	errAdmin            = line.Refusal("admin must be true or false")
	errAccess           = line.Refusal("files must be full, read or upload")
	errQuota            = line.Refusal("quota must be a number of bytes, 0 for no limit, or default")
	errRate             = line.Refusal("rate must be at least 1024 bytes per second, 0 for no limit, or default")
	errFull             = line.Refusal("no space left on the disk")
	errInvitationBounds = line.Refusal("an invitation has 1 to 10000 uses and lasts up to 8760h")
	errFingerprint      = line.Refusal("a fingerprint is 64 hexadecimal digits, as openssl x509 -noout -fingerprint -sha256 -in FILE prints them")
	errCertificateTaken = line.Refusal("the certificate is another account's; take it away from that one first")
	errStopping         = line.Refusal("the server is stopping")
)

// Refusals that say what they are about.

func noAccount(name string) line.Refusal { return line.Refusal("no account " + name) }

func noGroup(name string) line.Refusal { return line.Refusal("no group " + name) }

func noDropped(id string) line.Refusal {
	return line.Refusal("no dropped group " + id + "; poskod group list --dropped shows them")
}

func noInvitation(id string) line.Refusal {
	return line.Refusal("no invitation " + id + "; poskod invite list shows them")
}

func noSetting(key string) line.Refusal {
	return line.Refusal(fmt.Sprintf("no setting %q; there are admin, files, quota and rate", key))
}

func passwordShort(least int) line.Refusal {
	return line.Refusal(fmt.Sprintf("password needs at least %d characters", least))
}

// phrases are what is said where no row speaks.
var phrases = line.Phrases{
	Malformed: "wrong arguments; HELP lists them",
	BadLine:   "the line is not UTF-8 or holds a control character",
	TooLong:   "the line is too long",
	Unknown:   "no such command; HELP lists them",
	Internal:  "internal error; the server's log knows more",
	Stopping:  "the server stops",
}

// Words in rows.
const (
	none = "-"

	certBound   = "bound"
	certRevoked = "taken away"
	enabled     = "enabled"
	disabled    = "disabled"
	online      = "online"
	offline     = "offline"
	yes         = "yes"
	no          = "no"

	roleOwner    = "owner"
	roleOperator = "operator"
	roleMember   = "member"

	banned = "banned"
	muted  = "muted"
	done   = "done"

	operatorOfServer = "(poskod)" // who did what no account did
	actNoTopic       = "removed the topic"
)

// actVerbs say what was done in a group.
var actVerbs = map[hub.Action]string{
	hub.Promote:     "made an operator of",
	hub.Demote:      "made a plain member of",
	hub.Kick:        "put out",
	hub.Ban:         "banned",
	hub.Unban:       "let join again",
	hub.Mute:        "muted",
	hub.Unmute:      "let talk again",
	hub.SetPassword: "changed the password",
	hub.SetTopic:    "set the topic",
	hub.CloseFolder: "let members only read in the folder",
	hub.HidePast:    "let members see the history since they joined",
	hub.ShowPast:    "let members see all of the history",
	hub.OpenFolder:  "let members change the folder",
	hub.Drop:        "dropped the group",
	hub.Restore:     "restored the group",
}
