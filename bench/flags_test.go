package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/retinue-go/retinue/bench/workloads"
)

func TestFlagsChooseWorkloadsSystemsAndProfiles(t *testing.T) {
	s, err := parse([]string{"-workload", "follow,append", "-system", "retinue,nats", "-profile", "small,server"})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, w := range s.workloads {
		names = append(names, w.Name)
	}
	if !slices.Equal(names, []string{"append", "follow"}) {
		t.Errorf("workloads %v, want those two in the order of all", names)
	}
	plans := s.plans()
	if len(plans) != 2 || plans[0].ProfileName != "small" || plans[0].OnlyProfile {
		t.Errorf("plans %+v", plans)
	}
	for _, g := range s.workloads[0].Groups(plans[0]) {
		for _, c := range g.Cases {
			if c.System != "retinue" && c.System != "nats" {
				t.Errorf("case of %s", c.System)
			}
		}
	}
}

func TestEveryWorkloadNamesItselfInItsCases(t *testing.T) {
	s, err := parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range workloads.All() {
		groups := w.Groups(s.plans()[0])
		if len(groups) == 0 {
			t.Errorf("%s has no groups", w.Name)
		}
		seen := map[string]bool{}
		for _, g := range groups {
			for _, c := range g.Cases {
				if c.Workload != w.Name || workloads.Check([]string{c.System}) != nil || c.Durability == "" || c.Payload == 0 || c.Profile == "" {
					t.Errorf("%s has the case %+v", w.Name, c.Result)
				}
				if name := c.String() + c.Profile; seen[name] {
					t.Errorf("two cases are %s", name)
				} else {
					seen[name] = true
				}
			}
		}
	}
}

func TestShortRunIsSmallUnlessToldOtherwise(t *testing.T) {
	s, err := parse([]string{"-short", "-entries", "5000"})
	if err != nil {
		t.Fatal(err)
	}
	if s.plan.Entries != 5000 || s.plan.Duration >= time.Second {
		t.Errorf("plan %+v", s.plan)
	}
	covered := map[string][]int{}
	for _, w := range s.workloads {
		for _, g := range w.Groups(s.plans()[0]) {
			for _, c := range g.Cases {
				if c.System == "retinue" && !slices.Contains(covered[w.Name], c.Producers+c.Followers) {
					covered[w.Name] = append(covered[w.Name], c.Producers+c.Followers)
				}
			}
		}
	}
	if len(covered) != 2 || !slices.Equal(covered["append"], []int{1, 8, 64, 512}) || !slices.Equal(covered["follow"], []int{1, 8, 64}) {
		t.Errorf("a short run covers %v", covered)
	}
}

func TestNonsenseIsRefused(t *testing.T) {
	for _, args := range []string{
		"-workload nothing", "-system nobody", "-profile huge", "-rounds 0", "-duration 0s", "-entries 1", "-scale 0", "more", "-short -workload trim",
	} {
		if _, err := parse(strings.Fields(args)); err == nil {
			t.Errorf("%s was taken", args)
		}
	}
}
