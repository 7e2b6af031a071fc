package hub

import "slices"

// A Folder is what a group shares with its members, as one of them may use it.
type Folder struct {
	Group    int64
	Name     string
	ReadOnly bool // for this member, at this moment
}

// folder is the folder of g for a member.
func (g *group) folder(m StoredMember) Folder {
	return Folder{g.id, g.name, g.readOnly && m.Role < Operator}
}

// Folder finds the folder of a group that the session's account belongs to, by
// the group's name. It returns ErrNoGroup or ErrNotMember.
func (s *Session) Folder(group string) (Folder, error) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	g, err := s.member(group)
	if err != nil {
		return Folder{}, err
	}
	return g.folder(g.members[s.at.Account.ID]), nil
}

// Folders lists them by name.
func (s *Session) Folders() []Folder {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	var all []Folder
	for _, g := range s.hub.joined[s.at.Account.ID] {
		all = append(all, g.folder(g.members[s.at.Account.ID]))
	}
	slices.SortFunc(all, func(a, b Folder) int { return byNames(a.Name, b.Name) })
	return all
}

// fileChange is something that a member has done in a group's folder.
type fileChange struct {
	group int64
	event Event
}

// TellOfFile hands in that the session's account has stored, removed or renamed
// a file in a group's folder, or brought one back: what is FileStored to
// FileRestored, and newFile is the new name of what was renamed. The members are
// told at its place in the order of all.
func (s *Session) TellOfFile(group int64, what What, file, newFile string) {
	e := Event{What: what, File: file, NewFile: newFile, Message: Message{From: s.at.Account}}
	s.hub.rounds.awaitRoom()
	s.hub.hand(&fileChange{group, e}, s, file+newFile, func(error) {})
}

func (f *fileChange) plan(*round) error { return nil }

func (f *fileChange) apply(r *round) {
	g := r.h.groups[f.group]
	if g == nil {
		return // dropped meanwhile
	}
	f.event.Time, f.event.Group = r.now, g.name
	r.tellGroup(g, &f.event)
}
