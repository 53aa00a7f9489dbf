//go:build ignore

// Land makes land.path, the outlines of the world's land as the d of an SVG path: in
// tenths of a degree, from 180° west and 84° north on. Get land-110m.json of the npm
// package world-atlas (2.0.2), and:
//
//	go run land.go <land-110m.json >land.path
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math"
	"os"
	"strings"
)

// topology is what is needed of TopoJSON: polygons are lists of rings, rings lists of
// arcs, and an arc that is used backwards has the number -1-n. Each point of an arc is
// the difference to the one before, in steps of scale.
type topology struct {
	Objects struct {
		Land struct {
			Geometries []struct{ Arcs [][][]int }
		}
	}
	Arcs      [][][2]float64
	Transform struct{ Scale, Translate [2]float64 }
}

// south is where the map ends: what lies farther south is Antarctica.
const south = -60

type point struct{ x, y int }

func main() {
	log.SetFlags(0)
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		log.Fatal(err)
	}
	var t topology
	if err := json.Unmarshal(text, &t); err != nil {
		log.Fatal(err)
	}
	var b strings.Builder
	for _, g := range t.Objects.Land.Geometries {
		for _, polygon := range g.Arcs {
			for _, ring := range polygon {
				points := rounded(t.ring(ring))
				for _, turn := range []int{-3600, 0, 3600} {
					writeRing(&b, cut(points, turn, turn+3600, -turn))
				}
			}
		}
	}
	fmt.Println(b.String())
}

// ring is the points of a ring in degrees.
func (t *topology) ring(arcs []int) [][2]float64 {
	var points [][2]float64
	for _, n := range arcs {
		arc := t.points(max(n, -1-n))
		if n < 0 {
			for i := len(arc) - 1; i >= 0; i-- {
				points = append(points, arc[i])
			}
			continue
		}
		points = append(points, arc...)
	}
	return points
}

func (t *topology) points(arc int) [][2]float64 {
	var points [][2]float64
	var x, y float64
	for _, d := range t.Arcs[arc] {
		x, y = x+d[0], y+d[1]
		points = append(points, [2]float64{x*t.Transform.Scale[0] + t.Transform.Translate[0], y*t.Transform.Scale[1] + t.Transform.Translate[1]})
	}
	return points
}

// rounded is a ring in tenths of a degree on the map; nil if it is south of that. Where it
// passes the date line it goes on beyond the map, so that no line leads across.
func rounded(ring [][2]float64) []point {
	var points []point
	north, turn := -90., 0.
	for i, p := range ring {
		north = max(north, p[1])
		if i > 0 && math.Abs(p[0]-ring[i-1][0]) > 180 {
			turn += math.Copysign(360, ring[i-1][0]-p[0])
		}
		q := point{int(math.Round((p[0] + turn + 180) * 10)), int(math.Round((84 - p[1]) * 10))}
		if len(points) == 0 || points[len(points)-1] != q {
			points = append(points, q)
		}
	}
	if north < south {
		return nil
	}
	return points
}

// cut is the part of a ring between two meridians, moved by so much. Edges along those are
// not seen: the land is filled only.
func cut(ring []point, west, east, move int) []point {
	for _, side := range []struct{ at, sign int }{{west, 1}, {east, -1}} {
		in := func(p point) bool { return (p.x-side.at)*side.sign >= 0 }
		var kept []point
		for i, p := range ring {
			before := ring[(i+len(ring)-1)%len(ring)]
			if in(p) != in(before) {
				y := before.y + (p.y-before.y)*(side.at-before.x)/(p.x-before.x)
				kept = append(kept, point{side.at, y})
			}
			if in(p) {
				kept = append(kept, p)
			}
		}
		ring = kept
	}
	for i := range ring {
		ring[i].x += move
	}
	return ring
}

// writeRing writes a ring: where it begins, then the steps from point to point.
func writeRing(b *strings.Builder, points []point) {
	if len(points) < 3 {
		return
	}
	if last := len(points) - 1; points[last] == points[0] {
		points = points[:last] // z leads there
	}
	at := points[0]
	fmt.Fprintf(b, "M%d %d", at.x, at.y)
	for i, p := range points[1:] {
		first := " "
		switch {
		case i == 0:
			first = "l"
		case p.x < at.x:
			first = "" // the sign stands between the numbers
		}
		second := " "
		if p.y < at.y {
			second = ""
		}
		fmt.Fprintf(b, "%s%d%s%d", first, p.x-at.x, second, p.y-at.y)
		at = p
	}
	b.WriteString("z")
}
