//go:build unix

package program

import "syscall"

// Private makes every file that the process creates from then on its user's alone: the libraries of the embedded servers and
// of SQLite leave that to the process.
func Private() { syscall.Umask(0o077) }
