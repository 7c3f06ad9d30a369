//go:build !unix

package program

// Private does nothing: files have the rights of their folder.
func Private() {}
