package geodb

import (
	"errors"
	"strings"
	"unicode"

	"github.com/oschwald/maxminddb-golang/v2"
)

// A Place is where an address is likely to be. Its texts are short and printable, whatever
// the database has; they may have signs that mean something in HTML.
type Place struct {
	Country string // its code, two letters (ISO 3166-1); empty if it is not known
	Name    string // of the country, in English; may be empty
	City    string // in English; may be empty

	Located  bool    // there is a position
	Lat, Lon float64 // it, in degrees, from -90 to 90 and from -180 to 180
}

func (p Place) known() bool { return p.Country != "" || p.Located }

// There are two layouts of records: MaxMind's, which DB-IP has too, and a flat one.
var (
	countryPaths = [][]any{{"country", "iso_code"}, {"country_code"}}
	namePaths    = [][]any{{"country", "names", "en"}}
	cityPaths    = [][]any{{"city", "names", "en"}, {"city"}}
	latPaths     = [][]any{{"location", "latitude"}, {"latitude"}}
	lonPaths     = [][]any{{"location", "longitude"}, {"longitude"}}
)

// place is what a record says. What is not there, or has another type, is left empty; an
// error says that the database is damaged.
func place(res maxminddb.Result) (Place, error) {
	var (
		p                   Place
		country, name, city string
		lat, lon            *float64
	)
	for _, err := range []error{
		first(res, &country, countryPaths), first(res, &name, namePaths), first(res, &city, cityPaths),
		first(res, &lat, latPaths), first(res, &lon, lonPaths),
	} {
		if err != nil {
			return p, err
		}
	}
	if isCode(country) {
		p.Country = country
	}
	p.Name, p.City = printable(name, maxName), printable(city, maxName)
	if lat == nil || lon == nil || *lat == 0 && *lon == 0 {
		return p, nil // 0, 0 is in the sea, and how some say that they do not know
	}
	if *lat >= -90 && *lat <= 90 && *lon >= -180 && *lon <= 180 { // which no NaN is
		p.Located, p.Lat, p.Lon = true, *lat, *lon
	}
	return p, nil
}

// first takes what the first path leads to that leads anywhere.
func first[T comparable](res maxminddb.Result, to *T, paths [][]any) error {
	var none T
	for _, path := range paths {
		var got T
		err := res.DecodePath(&got, path...)
		if errors.As(err, new(maxminddb.InvalidDatabaseError)) {
			return err
		}
		if err == nil && got != none {
			*to = got
			return nil
		}
	}
	return nil
}

func isCode(s string) bool {
	return len(s) == 2 && s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'A' && s[1] <= 'Z'
}

const (
	// maxName is how many letters of a name are taken: that of a place in New Zealand
	// has 85.
	maxName = 90

	// maxError is how many are taken of what the reader of the format says, since it
	// cites the file.
	maxError = 200
)

// printable is the beginning of a text on one line, without signs that are not seen, as
// those that turn the direction of what follows.
func printable(s string, most int) string {
	s = s[:min(len(s), 4*most)] // a letter has four bytes at most
	letters := make([]rune, 0, len(s))
	for _, r := range strings.ToValidUTF8(s, "?") {
		if len(letters) == most {
			break
		}
		if !unicode.IsPrint(r) {
			r = ' '
		}
		letters = append(letters, r)
	}
	return strings.Join(strings.Fields(string(letters)), " ")
}
