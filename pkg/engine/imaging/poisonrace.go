//go:build race

package imaging

func poison[T any](buffer []T, with T) {
	for i := range buffer {
		buffer[i] = with
	}
}
