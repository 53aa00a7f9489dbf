// Package browser drives the dashboard in a real Chromium. It is a module of its own, so
// that what drives a browser is no dependency of holdfast; it holds tests only.
package browser
