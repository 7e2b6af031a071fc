package chat

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"posko/server/hub"
)

// TestActsDocumented: the manual lists what the members of a group are told of.
func TestActsDocumented(t *testing.T) {
	manual, err := os.ReadFile("../../packaging/man/posko-protocol.7")
	if err != nil {
		t.Fatal(err)
	}
	word := func(action hub.Action, topic string) string {
		return wordAct(&hub.Event{Action: action, Message: hub.Message{
			From: hub.Account{Name: `\fIname\fP`}, To: `\fIuser\fP`, Group: `\fIgroup\fP`, Text: topic,
		}})
	}
	told := []string{word(hub.SetTopic, "")}
	for _, action := range slices.Sorted(maps.Keys(infoActs)) {
		told = append(told, word(action, `\fItext\fP`))
	}
	for _, text := range told {
		if !strings.Contains(string(manual), "\n[INFO] "+text+"\n") {
			t.Errorf("posko-protocol(7) lacks %q", text)
		}
	}
}
