package chat

import (
	"fmt"
	"strconv"
	"strings"

	"posko/server/hub"
)

// Fronts word the hub's events: plainly, or with the number and the time of
// what is kept.
var (
	plain   = &hub.Front{Word: func(e *hub.Event) []byte { return wordEvent(e, "] ") }}
	stamped = &hub.Front{Word: func(e *hub.Event) []byte { return wordEvent(e, " "+stamp(e.Message)+"] ") }}
)

// wordEvent words an event; what is said bears the stamp, which ends its tag.
func wordEvent(e *hub.Event, stamp string) []byte {
	switch e.What {
	case hub.SaidPrivately:
		return textLine(tagPrivate, stamp, e.From.Name, " ", e.Text)
	case hub.SaidInGroup:
		return textLine(tagGroup, stamp, e.Group, " ", e.From.Name, " ", e.Text)
	case hub.SaidToAll:
		return textLine(tagBroadcast, e.From.Name, " ", e.Text)
	case hub.Joined:
		return textLine(tagInfo, e.From.Name, infoJoined, e.Group)
	case hub.Left:
		return textLine(tagInfo, e.From.Name, infoLeft, e.Group)
	case hub.Acted:
		return textLine(tagInfo, wordAct(e))
	case hub.ShowTopic:
		return textLine(tagInfo, infoTopic, e.Group, ": ", e.Text)
	case hub.FileStored:
		return textLine(tagInfo, fmt.Sprintf(infoStored, e.From.Name, quote(e.File), e.Group))
	case hub.FileRemoved:
		return textLine(tagInfo, fmt.Sprintf(infoRemoved, e.From.Name, quote(e.File), e.Group))
	case hub.FileRestored:
		return textLine(tagInfo, fmt.Sprintf(infoRestored, e.From.Name, quote(e.File), e.Group))
	case hub.FileRenamed:
		return textLine(tagInfo, fmt.Sprintf(infoRenamed, e.From.Name, quote(e.File), quote(e.NewFile), e.Group))
	}
	return nil
}

// textLine joins parts to a line.
func textLine(parts ...string) []byte {
	size := len("\n")
	for _, part := range parts {
		size += len(part)
	}
	text := make([]byte, 0, size)
	for _, part := range parts {
		text = append(text, part...)
	}
	return append(text, '\n')
}

// wordAct words what was done in a group.
func wordAct(e *hub.Event) string {
	by := e.From.Name
	if by == "" {
		by = nameOfServer
	}
	format := infoActs[e.Action]
	if e.Action == hub.SetTopic && e.Text == "" {
		format = infoNoTopic
	}
	return fmt.Sprintf(format, by, e.To, e.Group, e.Text)
}

// mostQuoted is how many bytes of a file's name an event shows, so that two of
// them, escaped, fit into a line.
const mostQuoted = 1000

// quote writes a file's name so that it can't be taken for anything else: in
// quotes, with those that it holds escaped, and what can't be seen as well.
func quote(name string) string {
	if len(name) > mostQuoted {
		name = strings.ToValidUTF8(name[:mostQuoted], "") + "…"
	}
	return strconv.Quote(name)
}

// timeLayout is RFC 3339 with milliseconds; times are UTC.
const timeLayout = "2006-01-02T15:04:05.000Z07:00"

// stamp is the number of a message, 0 for one that is not kept, and its time.
func stamp(m hub.Message) string {
	return strconv.FormatInt(m.Number, 10) + " " + m.Time.UTC().Format(timeLayout)
}

// row words a message of a history.
func row(m hub.Message) string {
	head := stamp(m) + " "
	if m.Group != "" {
		return head + rowGroup + " " + m.Group + " " + m.From.Name + " " + m.Text
	}
	return head + rowPrivate + " " + m.From.Name + " " + m.To + " " + m.Text
}

func groupRow(g hub.GroupInfo) string {
	return g.Name + " " + strconv.Itoa(g.Members) + " " + strconv.FormatInt(g.Unread, 10)
}

var roles = map[hub.Role]string{
	hub.Owner: roleOwner, hub.Operator: roleOperator, hub.Member: roleMember,
}

func memberRow(m hub.Membership) string {
	presence := offline
	if m.Online {
		presence = online
	}
	return m.Account.Name + " " + roles[m.Role] + " " + presence
}
