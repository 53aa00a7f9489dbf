package main

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

// measured returns results of all tables in which all goals are met, just.
func measured() map[string]map[string]*result {
	all := make(map[string]map[string]*result)
	for _, t := range tables {
		all[t.name] = make(map[string]*result)
		for _, s := range t.subjects {
			all[t.name][s.name] = &result{ns: []float64{1}}
		}
	}
	for _, g := range goals {
		all[g.table][g.other].ns[0] = 1.001 / g.most
	}
	all["level off"]["ours, guarded"].ns[0] = maxGuarded
	return all
}

// Each goal is judged: it is missed when its own results are worse, and only then.
func TestGoals(t *testing.T) {
	var table strings.Builder
	if missed := judge(&table, measured()); missed != 0 {
		t.Fatalf("%d missed:\n%s", missed, &table)
	}
	for _, g := range goals {
		all := measured()
		all[g.table][g.other].ns[0] *= 0.99
		table.Reset()
		want := fmt.Sprintf("| %s: %s to %s | %.2f | %.2f | no |\n", g.table, g.ours, g.other, g.most/1.001/0.99, g.most)
		if missed := judge(&table, all); missed != 1 || !strings.Contains(table.String(), want) {
			t.Errorf("%d missed:\n%swant %s", missed, &table, want)
		}
	}
	for name, worse := range map[string]func(*result){
		"time":   func(r *result) { r.ns[0] *= 1.01 },
		"memory": func(r *result) { r.allocs = 1 },
	} {
		all := measured()
		worse(all["level off"]["ours, guarded"])
		if missed := judge(io.Discard, all); missed != 1 {
			t.Errorf("%s of a level that is off: %d missed", name, missed)
		}
	}
}

// Infof is to be ahead of all.
func TestEachRivalHasAGoal(t *testing.T) {
	rivals := make(map[string]bool)
	for _, g := range goals {
		if g.table == tables[0].name && g.ours == "ours" && g.most <= ahead {
			rivals[g.other] = true
		}
	}
	for _, s := range messages {
		if !strings.HasPrefix(s.name, "ours") && !rivals[s.name] {
			t.Errorf("there is none for %s", s.name)
		}
	}
}
