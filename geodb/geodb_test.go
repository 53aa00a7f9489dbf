package geodb

import (
	"bytes"
	"errors"
	"flag"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write testdata/places.mmdb anew")

const testdata = "testdata/places.mmdb"

// places is the database of the tests, here and elsewhere. Its addresses are those for
// documentation.
func places() []byte {
	return database("Test-City", records{
		"192.0.2.0/24":    m{"country": m{"iso_code": "DE", "names": m{"de": "Deutschland", "en": "Germany"}}, "city": m{"names": m{"en": "Frankfurt am Main"}}, "location": m{"latitude": 50.1169, "longitude": 8.6837}},
		"198.51.100.0/25": m{"country": m{"iso_code": "US", "names": m{"en": "United States"}}, "location": m{"latitude": 37.751, "longitude": -97.822}},
		"203.0.113.0/24":  m{"country_code": "JP", "city": "Tokyo", "latitude": single(35.6895), "longitude": single(139.6917)},
		"2001:db8::/32":   m{"country": m{"iso_code": "AU", "names": m{"en": "Australia"}}, "city": m{"names": m{"en": "Sydney"}}, "location": m{"latitude": -33.8715, "longitude": 151.2006}},
	})
}

// TestTestdata: the file in testdata is what the writer makes; go test -update writes it.
func TestTestdata(t *testing.T) {
	if *update {
		if err := os.WriteFile(testdata, places(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(testdata)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, places()) {
		t.Error("it is another: run go test ./geodb -update")
	}
}

func TestLookup(t *testing.T) {
	t.Parallel()
	db, err := Open(testdata)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := db.String(), "Test-City of 2026-01-01"; got != want {
		t.Errorf("it is %q, want %q", got, want)
	}
	frankfurt := Place{Country: "DE", Name: "Germany", City: "Frankfurt am Main", Located: true, Lat: 50.1169, Lon: 8.6837}
	for _, tt := range []struct {
		ip   string
		want Place
	}{
		{"192.0.2.1", frankfurt},
		{"::ffff:192.0.2.1", frankfurt},
		{"198.51.100.127", Place{Country: "US", Name: "United States", Located: true, Lat: 37.751, Lon: -97.822}},
		{"198.51.100.128", Place{}},
		{"203.0.113.9", Place{Country: "JP", City: "Tokyo", Located: true, Lat: float64(float32(35.6895)), Lon: float64(float32(139.6917))}},
		{"2001:db8::1", Place{Country: "AU", Name: "Australia", City: "Sydney", Located: true, Lat: -33.8715, Lon: 151.2006}},
		{"fe80::1%eth0", Place{}},
		{"127.0.0.1", Place{}},
	} {
		got, known := db.Lookup(netip.MustParseAddr(tt.ip))
		if got != tt.want || known != (tt.want != Place{}) {
			t.Errorf("%s: %+v, %v, want %+v", tt.ip, got, known, tt.want)
		}
	}
	if p, known := db.Lookup(netip.Addr{}); known {
		t.Errorf("no address: %+v", p)
	}
}

// TestRecords: what a record has too much, too little or wrong.
func TestRecords(t *testing.T) {
	t.Parallel()
	at := func(lat, lon any) m {
		return m{"country": m{"iso_code": "DE"}, "location": m{"latitude": lat, "longitude": lon}}
	}
	germany := Place{Country: "DE"}
	for _, tt := range []struct {
		name   string
		record any
		want   Place
	}{
		{"a country alone", m{"country": m{"iso_code": "DE"}}, germany},
		{"a position alone", m{"location": m{"latitude": 1., "longitude": 2.}}, Place{Located: true, Lat: 1, Lon: 2}},
		{"nothing", m{}, Place{}},
		{"a text", "DE", Place{}},
		{"a country that is a text, beside its code", m{"country": "Germany", "country_code": "DE"}, germany},
		{"a code of three letters", m{"country_code": "DEU"}, Place{}},
		{"a code in lower case", m{"country_code": "de"}, Place{}},
		{"a code that is a number", m{"country_code": uint32(276)}, Place{}},
		{"half a position", m{"country_code": "DE", "latitude": 50.}, germany},
		{"no latitude like that", at(90.1, 0.), germany},
		{"no longitude like that", at(0., -180.1), germany},
		{"not a number", at(nan(), 1.), germany},
		{"the pole", at(-90., 180.), Place{Country: "DE", Located: true, Lat: -90, Lon: 180}},
		{"where nothing is known", at(0., 0.), germany},
		{"on the equator", at(0., 10.), Place{Country: "DE", Located: true, Lat: 0, Lon: 10}},
		{"signs of HTML", m{"country_code": "DE", "city": `<b title="x">&`}, Place{Country: "DE", City: `<b title="x">&`}},
		{"text that turns, and lines", m{"country_code": "DE", "city": "a\u202eb\n\tc\x00d\xff"}, Place{Country: "DE", City: "a b c d?"}},
		{"a long name", m{"country_code": "DE", "city": strings.Repeat("ü", 120)}, Place{Country: "DE", City: strings.Repeat("ü", maxName)}},
	} {
		// The other records keep the database from being one without countries.
		db, err := Parse(database("Test", records{"192.0.2.0/24": tt.record, "0.0.0.0/1": m{"country_code": "FR"}}))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got, known := db.Lookup(netip.MustParseAddr("192.0.2.1")); got != tt.want || known != tt.want.known() {
			t.Errorf("%s: %+v, %v, want %+v", tt.name, got, known, tt.want)
		}
	}
}

func nan() float64 { zero := 0.; return zero / zero }

// TestRefused: what cannot be used is refused, and the error says what to do.
func TestRefused(t *testing.T) {
	t.Parallel()
	whole := places()
	wide := database("Test", records{"0.0.0.0/1": m{"country_code": "FR"}, "128.0.0.0/1": m{"country_code": "DE"}})
	tree := int(len(wide) - len("\xab\xcd\xefMaxMind.com")) // somewhere behind the tree
	for _, tt := range []struct {
		name string
		data []byte
		is   error
		say  string
	}{
		{"empty", nil, ErrFormat, "give an .mmdb file"},
		{"text", []byte("192.0.2.0/24,DE\n"), ErrFormat, "give an .mmdb file"},
		{"compressed", []byte("\x1f\x8b\x08\x00"), ErrFormat, "unpack it"},
		{"the first half", whole[:len(whole)/2], ErrFormat, "fetch it again"},
		{"without its head", whole[600:], ErrFormat, "fetch it again"},
		{"written over at the beginning", append(bytes.Repeat([]byte{0xff}, 600), wide[600:]...), ErrFormat, "damaged; fetch it again"},
		{"a tree that goes in circles", append(make([]byte, 600), wide[600:]...), ErrFormat, "damaged; fetch it again"},
		{"its records written over", overwritten(wide, tree), ErrFormat, "damaged; fetch it again"},
		{"of autonomous systems", database("GeoLite2-ASN", records{"0.0.0.0/1": m{"autonomous_system_number": uint32(64500)}}), ErrKind, `"GeoLite2-ASN"; give one of cities or countries`},
	} {
		_, err := Parse(tt.data)
		if !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.say) {
			t.Errorf("%s: %v, want %v with %q", tt.name, err, tt.is, tt.say)
		}
	}
}

// overwritten is a database whose records are no longer any.
func overwritten(data []byte, end int) []byte {
	data = bytes.Clone(data)
	i := bytes.Index(data, []byte("country_code")) - 2 // the first record
	for ; i < bytes.Index(data, []byte("\xab\xcd\xefMaxMind.com")) && i < end; i++ {
		data[i] = 0xff
	}
	return data
}

func TestOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	large := filepath.Join(dir, "large.mmdb")
	f, err := os.Create(large)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Truncate(MaxSize+1), f.Close()); err != nil { // a hole
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		is   error
		say  string
	}{
		{filepath.Join(dir, "none.mmdb"), fs.ErrNotExist, ""},
		{dir, ErrFormat, "no regular file"},
		{large, ErrTooLarge, "268435457 bytes, at most 268435456 are read"},
	} {
		if _, err := Open(tt.name); !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.name) || !strings.Contains(err.Error(), tt.say) {
			t.Errorf("%s: %v, want %v with %q", tt.name, err, tt.is, tt.say)
		}
	}
}

// TestOverwritten: who writes over the file of an open database changes nothing.
func TestOverwritten(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "places.mmdb")
	if err := os.WriteFile(name, places(), 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := Open(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, 0); err != nil {
		t.Fatal(err)
	}
	if p, known := db.Lookup(netip.MustParseAddr("192.0.2.1")); !known || p.City != "Frankfurt am Main" {
		t.Errorf("%+v, %v", p, known)
	}
}

// FuzzParse: whatever a file has, it is refused or can be asked for any address, and what
// it says is short, printable and on the globe.
func FuzzParse(f *testing.F) {
	f.Add(places())
	f.Add(database("Test", records{"0.0.0.0/1": m{"country_code": "FR", "city": "Paris", "latitude": 48.9, "longitude": 2.3}}))
	f.Add([]byte("\xab\xcd\xefMaxMind.com"))
	f.Fuzz(func(t *testing.T, data []byte) {
		db, err := Parse(data)
		if err != nil {
			return
		}
		for i := range 8 {
			p, known := db.Lookup(sample(i * 641))
			if !known && p.known() {
				t.Errorf("it is not known, and it is: %+v", p)
			}
			for _, s := range []string{p.Name, p.City, db.String()} {
				if len([]rune(s)) > maxName+len(" of 2026-01-01") || !utf8.ValidString(s) || strings.ContainsAny(s, "\n\x00\u202e") {
					t.Errorf("%q", s)
				}
			}
			if p.Country != "" && !isCode(p.Country) {
				t.Errorf("country %q", p.Country)
			}
			if p.Lat < -90 || p.Lat > 90 || p.Lon < -180 || p.Lon > 180 || p.Lat != p.Lat || p.Lon != p.Lon {
				t.Errorf("at %v, %v", p.Lat, p.Lon)
			}
		}
	})
}

func BenchmarkLookup(b *testing.B) {
	db, err := Open(testdata)
	if err != nil {
		b.Fatal(err)
	}
	ip := netip.MustParseAddr("192.0.2.1")
	for b.Loop() {
		db.Lookup(ip)
	}
}
