package hub

// What says what has happened.
type What int

// The events.
const (
	SaidPrivately What = iota
	SaidInGroup
	SaidToAll
	Joined
	Left
	Acted      // Action says what was done
	ShowTopic  // to who has just joined
	FileStored // in Group's folder
	FileRemoved
	FileRenamed
	FileRestored // from the trash
)

// An Event is something that those concerned are told. A front words it.
type Event struct {
	What    What
	Message // From, Group, To, Text; Number and Time of what is stored
	// Action is what From did in Group, to the account To if it was done to
	// one. From is empty for an operator of the server.
	Action Action
	// File is a path in Group's folder, NewFile the new one of what was renamed.
	File, NewFile string

	recipient int64 // of what is said privately
	wordings  []wording
	one       [1]wording // the room for the first one, which is mostly the only one
}

// A Front words events for one kind of connection. It is compared by address.
type Front struct {
	// Word returns whole lines, or nothing for an event of which this kind of
	// connection is not told. It neither waits nor calls the hub.
	Word func(*Event) []byte
}

type wording struct {
	front *Front
	text  []byte
}

// wordsFor returns the event as the front words it. All sessions of a front
// share the same bytes.
func (e *Event) wordsFor(f *Front) []byte {
	for _, w := range e.wordings {
		if w.front == f {
			return w.text
		}
	}
	text := f.Word(e)
	if e.wordings == nil {
		e.wordings = e.one[:0]
	}
	e.wordings = append(e.wordings, wording{f, text})
	return text
}
