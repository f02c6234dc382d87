//go:build !linux

package report

// FileSystem names the kind of file system that path lies on, "" if unknown.
func FileSystem(string) string { return "" }
