package chat

import (
	"context"
	"time"

	"posko/server/account"
	"posko/server/hub"
	"posko/server/line"
)

// kept is how a row words that a change could not be kept.
var kept = line.Refusals{
	{Err: hub.ErrFull, Say: errFull},
	{Err: account.ErrFull, Say: errFull},
	{Err: hub.ErrInDoubt, Say: line.NoAnswer},
}

// ofGroup is how a row words that it is not for the session's account.
var ofGroup = line.Refusals{
	{Err: hub.ErrNoGroup, Say: errNoGroup},
	{Err: hub.ErrNotMember, Say: errNotMember},
}

// refuses joins what a row refuses by itself with what many rows share.
func refuses(own line.Refusals, shared ...line.Refusals) line.Refusals {
	all := own[:len(own):len(own)]
	for _, more := range shared {
		all = append(all, more...)
	}
	return all
}

// checks say which arguments are of the right form. Seed: every "alphanumerik
// (tanpa spasi)".
var checks = map[string]func(string) bool{
	"USER":     account.ValidName,
	"GROUP":    account.ValidName,
	"NAME":     account.ValidName,
	"PASSWORD": account.ValidPassword,
	"CODE":     account.ValidPassword,
	"OLD":      account.ValidPassword,
	"NEW":      account.ValidPassword,
	"TOKEN":    hub.ValidToken,
	"COUNT":    isNumber,
	"NUMBER":   isNumber,
}

// paced has a command take a place in its account's pace: a message, and what the
// members of a group are told, which costs them as much.
func paced(s *session, _ *line.Call) time.Duration { return s.presence.Pace("") }

// newTable makes the table of commands, in the order of the contract.
func newTable() *line.Table[*session] {
	rows := []line.Command[*session]{
		{ // Seed: LOGIN
			Name: "LOGIN", Args: "USER PASSWORD", Help: "log in",
			Needs: line.LoggedOut, Secret: true, Done: okLogin,
			Refuses: line.Refusals{
				{Err: account.ErrThrottled, Say: errThrottled},
				{Err: account.ErrNoAccount, Say: errNoAccount},
				{Err: account.ErrPassword, Say: errPassword},
				{Err: hub.ErrSessions, Say: errSessions},
			},
			Run: (*session).login,
		},
		{
			Name: "CERTLOGIN", Help: "log in with the client certificate of this connection",
			Needs: line.LoggedOut, Done: okLogin,
			Refuses: line.Refusals{
				{Err: account.ErrNoCertificate, Say: errNoCertificate},
				{Err: account.ErrThrottled, Say: errThrottled},
				{Err: account.ErrCertificate, Say: errCertificate},
				{Err: account.ErrPassword, Say: errCertificate}, // disabled just now
				{Err: hub.ErrSessions, Say: errSessions},
			},
			Run: (*session).certLogin,
		},
		{
			Name: "SIGNUP", Args: "USER PASSWORD [CODE]", Help: "make an account, where the server allows it or with an invitation",
			Needs: line.LoggedOut, Secret: true, Done: okSignup,
			Refuses: refuses(line.Refusals{
				{Err: account.ErrSignupClosed, Say: errSignupClosed},
				{Err: account.ErrThrottled, Say: errThrottled},
				{Err: account.ErrInvitation, Say: errInvitation},
				{Err: account.ErrNameTaken, Say: errAccountTaken},
				{Err: account.ErrPasswordShort, Say: errPasswordShort},
			}, kept),
			Run: (*session).signUp,
		},
		{
			Name: "LOGOUT", Help: "end the session but not the connection",
			Done: okLogout,
			Run:  (*session).logout,
		},
		{
			Name: "PASSWD", Args: "OLD NEW", Help: "change your password; your other sessions end",
			Secret: true, Done: okPasswd,
			Refuses: refuses(line.Refusals{
				{Err: account.ErrThrottled, Say: errThrottled},
				{Err: account.ErrPassword, Say: errPassword},
				{Err: account.ErrPasswordShort, Say: errPasswordShort},
			}, kept),
			Run: (*session).passwd,
		},
		{ // Seed: PRIVATE MESSAGE
			Name: "SEND", Args: "USER MESSAGE...", Help: "say something to one person",
			Async: true, Prompt: true, Done: okSent, Malformed: errSendFormat,
			Refuses: refuses(line.Refusals{{Err: hub.ErrOffline, Say: errNoRecipient}}, kept),
			Refused: func(s *session) { s.takeToken() },
			Pace:    paced,
			Run:     says((*session).send),
		},
		{
			Name: "CREATEGROUP", Args: "GROUP PASSWORD", Help: "make a group, which you own",
			Secret: true, Done: okCreated,
			Refuses: refuses(line.Refusals{{Err: hub.ErrNameTaken, Say: errGroupTaken}}, kept),
			Pace:    paced,
			Run:     (*session).createGroup,
		},
		{ // Seed: JOIN GRUP
			Name: "JOIN", Args: "GROUP PASSWORD", Help: "become a member of a group",
			Async: true, Secret: true, Done: okJoined,
			Refuses: refuses(line.Refusals{
				{Err: hub.ErrNoGroup, Say: errJoinNoGroup},
				{Err: account.ErrNoGroup, Say: errJoinNoGroup},
				{Err: hub.ErrMember, Say: errMember},
				{Err: hub.ErrDenied, Say: errDenied},
				{Err: account.ErrThrottled, Say: errThrottled},
				{Err: account.ErrGroupPassword, Say: errGroupPassword},
				{Err: hub.ErrChanged, Say: errGroupPassword},
			}, kept),
			Pace: paced,
			Run:  (*session).join,
		},
		{ // Seed: KELUAR DARI GRUP
			Name: "LEAVE", Args: "GROUP", Help: "leave a group",
			Done:    okLeft,
			Refuses: refuses(ofGroup, kept),
			Pace:    paced,
			Run:     (*session).leave,
		},
		{
			Name: "SENDGROUP", Args: "GROUP MESSAGE...", Help: "say something to a group",
			Async: true, Prompt: true, Done: okSentGroup,
			Refuses: refuses(ofManaged, kept),
			Refused: func(s *session) { s.takeToken() },
			Pace:    func(s *session, c *line.Call) time.Duration { return s.presence.Pace(c.Arg(0)) },
			Run:     says((*session).sendGroup),
		},
		{
			Name: "BROADCAST", Args: "MESSAGE...", Help: "say something to everybody who is connected, as an administrator",
			Async: true, Prompt: true, Done: okSentGroup,
			Refuses: line.Refusals{{Err: hub.ErrDenied, Say: errDenied}},
			Pace:    paced,
			Run:     says((*session).broadcast),
		},
		{
			Name: "WHOAMI", Help: "show your name and your address",
			Says: "user address",
			Run:  (*session).whoAmI,
		},
		{
			Name: "ONLINE", Args: "[GROUP]", Help: "list who is connected",
			Says: "N rows: user", Refuses: ofGroup,
			Run: (*session).online,
		},
		{
			Name: "GROUPS", Help: "list your groups: name, number of members, unread messages",
			Says: "N rows: group members unread",
			Run:  (*session).groups,
		},
		{
			Name: "MEMBERS", Args: "GROUP", Help: "list the members of a group: name, role, online or offline",
			Says: "N rows: user role presence", Refuses: ofGroup,
			Run: (*session).members,
		},
		{
			Name: "TOPIC", Args: "GROUP [TEXT...]", Help: "show the topic of a group, or set it; \"-\" removes it",
			Done: okTopic, Says: string(okTopic) + "; without TEXT, N rows: text",
			Refuses: refuses(ofManaged, line.Refusals{{Err: hub.ErrTopic, Say: errTopicLong}}, kept),
			Pace: func(s *session, c *line.Call) time.Duration {
				if c.Arg(1) == "" { // it only shows the topic
					return 0
				}
				return paced(s, c)
			},
			Run: (*session).topic,
		},
		moderating("KICK", hub.Kick, "put a member out of a group", okKicked, noTarget),
		moderating("BAN", hub.Ban, "put an account out of a group, or keep it out, until UNBAN", okBanned),
		moderating("UNBAN", hub.Unban, "let a banned account join a group again", okUnbanned),
		moderating("MUTE", hub.Mute, "keep a member from sending to a group, until UNMUTE", okMuted, noTarget),
		moderating("UNMUTE", hub.Unmute, "let a muted account send to a group again", okUnmuted),
		moderating("OP", hub.Promote, "make a member an operator of your group", okPromoted, noTarget),
		moderating("DEOP", hub.Demote, "make an operator of your group a plain member", okDemoted, noTarget),
		{
			Name: "GROUPPASS", Args: "GROUP PASSWORD", Help: "change the password of a group",
			Secret: true, Done: okGroupPass,
			Refuses: refuses(ofManaged, kept),
			Pace:    paced,
			Run:     (*session).groupPass,
		},
		{
			Name: "DROPGROUP", Args: "GROUP", Help: "end a group of yours, with its history",
			Done:    okDropped,
			Refuses: refuses(ofManaged, kept),
			Pace:    paced,
			Run:     (*session).dropGroup,
		},
		{
			Name: "READONLY", Args: "GROUP ON|OFF", Help: "let plain members only read in the group's folder, or change it too",
			Done: okReadOnly, Refuses: refuses(ofManaged, kept),
			Pace: paced,
			Run:  (*session).readOnly,
		},
		{
			Name: "HISTORY", Args: "GROUP ALL|JOINED", Help: "let members see all that was said in the group, or what came after they joined",
			Done: okAllSeen, Refuses: refuses(ofManaged, kept),
			Pace: paced,
			Run:  (*session).setHistory,
		},
		{
			Name: "CHECK", Help: "show what has arrived since you last read",
			Says: "N rows of history",
			Run:  (*session).check,
		},
		{
			Name: "CHECKPAST", Args: "[NAME [COUNT [BEFORE|AFTER NUMBER]]]",
			Help: "show what was said in a group, with a person, or everywhere",
			Says: "N rows of history", Refuses: ofGroup,
			Run: (*session).checkPast,
		},
		{
			Name: "SEARCH", Args: "WORDS...",
			Help: "find messages with these words, in one conversation if its name comes first",
			Says: "N rows of history", Refuses: line.Refusals{{Err: hub.ErrNotMember, Say: errNotMember}},
			Run: (*session).search,
		},
		{
			Name: "STAMP", Args: "ON|OFF",
			Help: "have messages shown with their number and time",
			Says: "a sentence",
			Run:  (*session).stamp,
		},
		{
			Name: "ONCE", Args: "TOKEN",
			Help: "have the next message sent at most once, whoever repeats it with this token",
			Says: "token",
			Run:  (*session).once,
		},
		{
			Name: "PING", Args: "[TEXT...]", Help: "see whether the server answers",
			Needs: line.Anytime, Says: "PONG text",
			Run: (*session).ping,
		},
		{
			Name: "EXIT", Aliases: []string{"QUIT"}, Help: "end the connection",
			Needs: line.Anytime, Done: okFarewell, Final: true,
			Run: func(*session, context.Context, *line.Call) error { return nil },
		},
	}
	for i, row := range rows {
		rows[i].Run = func(s *session, ctx context.Context, c *line.Call) error {
			s.heard()
			return row.Run(s, ctx, c)
		}
	}
	return line.NewTable(phrases, checks, rows...)
}
