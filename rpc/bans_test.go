package rpc

import (
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// A ban lasts as many seconds as were asked for, or until the second, also where it was
// not asked for on the second: clients compare.
func TestBanSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newFake(t)
		if err := n.bans.Clear(); err != nil {
			t.Fatal(err)
		}
		s := handlerOf(t, testConfig(n))
		time.Sleep(700 * time.Millisecond)
		end := time.Now().Unix() + 100
		for host, args := range map[string]string{
			"192.0.2.1": `60`, "192.0.2.2": fmt.Sprintf("%d,true", end), "192.0.2.3": `1`, "192.0.2.4": `0`,
		} {
			if w := s.ask(fmt.Sprintf(`{"method":"setban","params":[%q,"add",%s]}`, host, args)); w.Code != 200 {
				t.Errorf("%s: %s", host, w.Body)
			}
		}
		var reply struct{ Result []ban }
		if err := json.Unmarshal(s.ask(`{"method":"listbanned"}`).Body.Bytes(), &reply); err != nil {
			t.Fatal(err)
		}
		got := make(map[string]int64)
		for _, b := range reply.Result {
			got[b.Address] = b.Duration
		}
		if len(got) != 4 || got["192.0.2.1/32"] != 60 || got["192.0.2.2/32"] != 100 || got["192.0.2.3/32"] != 1 || got["192.0.2.4/32"] != 86400 {
			t.Errorf("they last %v", got)
		}
	})
}
