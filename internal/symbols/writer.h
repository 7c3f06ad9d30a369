#ifdef __cplusplus
extern "C" {
#endif

// symbol draws text into a matrix of modules, one byte each, 1 for dark, row after row. It returns the matrix, which the caller frees,
// or NULL if the format cannot hold the text.
unsigned char *symbol(int format, const char *text, int correction, int *width, int *height);

#ifdef __cplusplus
}
#endif
