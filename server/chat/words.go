package chat

import (
	"strconv"

	"posko/server/hub"
)

// front words the hub's events.
var front = &hub.Front{Word: wordEvent}

func wordEvent(e *hub.Event) []byte {
	var text string
	switch e.What {
	case hub.SaidPrivately:
		text = tagPrivate + e.From.Name + " " + e.Text
	case hub.SaidInGroup:
		text = tagGroup + e.Group + " " + e.From.Name + " " + e.Text
	case hub.SaidToAll:
		text = tagBroadcast + e.From.Name + " " + e.Text
	case hub.Joined:
		text = tagInfo + e.From.Name + infoJoined + e.Group
	case hub.Left:
		text = tagInfo + e.From.Name + infoLeft + e.Group
	case hub.Dropped:
		text = tagInfo + infoDropped + e.Group
	default:
		return nil
	}
	return []byte(text + "\n")
}

// timeLayout is RFC 3339 with milliseconds; times are UTC.
const timeLayout = "2006-01-02T15:04:05.000Z07:00"

// row words a message of a history.
func row(m hub.Message) string {
	head := strconv.FormatInt(m.Number, 10) + " " + m.Time.UTC().Format(timeLayout) + " "
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
