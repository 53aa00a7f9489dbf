// Package geodb says where in the world an IP address is likely to be, as a database
// says that the operator has. There is none in this repository: the good ones may not be
// handed on, and age within weeks.
//
// It reads files in MaxMind's format (.mmdb): GeoLite2 City and Country, those of DB-IP,
// and those whose records are flat, with country_code, city, latitude and longitude.
//
// Such a place is a guess: that of a company's seat instead of its machine, or of the
// middle of a country. It says something of a crowd, and little of one address.
package geodb
