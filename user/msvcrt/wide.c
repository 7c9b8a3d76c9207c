/*
 * user/msvcrt/wide.c: streams by wide characters.
 *
 * On a text stream a wide character is read and written as its byte in the "C" locale; on a binary
 * stream as its two bytes.
 */
#include "user/msvcrt/msvcrt.h"

#undef getwc
#undef putwc

static int is_text(FILE *file)
{
    return !is_descriptor(file->_file) || (descriptors[file->_file].flags & FD_TEXT);
}

wint_t fgetwc(FILE *file)
{
    wint_t result = WEOF;
    stream_lock(file);
    int low = fgetc(file);
    if (low != EOF) {
        if (is_text(file)) {
            result = (wint_t)low;
        } else {
            int high = fgetc(file);
            result = high == EOF ? WEOF : (wint_t)(low | high << 8);
        }
    }
    stream_unlock(file);
    return result;
}

wint_t fputwc(wchar_t c, FILE *file)
{
    if (!is_text(file)) {
        return fwrite(&c, sizeof(c), 1, file) == 1 ? c : WEOF;
    }
    if (c > 0xFF) {
        errno = EILSEQ;
        return WEOF;
    }
    return fputc(c, file) == EOF ? WEOF : c;
}

wint_t ungetwc(wint_t c, FILE *file)
{
    if (c == WEOF) {
        return WEOF;
    }
    stream_lock(file);
    int done;
    if (is_text(file)) {
        done = c <= 0xFF && ungetc(c, file) != EOF;
    } else {
        done = ungetc(c >> 8, file) != EOF && ungetc(c & 0xFF, file) != EOF;
    }
    stream_unlock(file);
    return done ? c : WEOF;
}

wint_t getwc(FILE *file)
{
    return fgetwc(file);
}

wint_t putwc(wchar_t c, FILE *file)
{
    return fputwc(c, file);
}

wint_t crt_getwchar(void)
{
    return fgetwc(stdin);
}

wint_t crt_putwchar(wchar_t c)
{
    return fputwc(c, stdout);
}

wchar_t *fgetws(wchar_t *buffer, int size, FILE *file)
{
    int n = 0;
    wint_t c = 0;
    stream_lock(file);
    while (n < size - 1 && c != '\n' && (c = fgetwc(file)) != WEOF) {
        buffer[n++] = c;
    }
    stream_unlock(file);
    if (!n || size < 1) {
        return NULL;
    }
    buffer[n] = 0;
    return buffer;
}

wchar_t *_getws(wchar_t *buffer)
{
    int n = 0;
    wint_t c;
    while ((c = fgetwc(stdin)) != WEOF && c != '\n') {
        buffer[n++] = c;
    }
    buffer[n] = 0;
    return c == WEOF && !n ? NULL : buffer;
}

int fputws(const wchar_t *text, FILE *file)
{
    int result = 0;
    stream_lock(file);
    int lent = stream_temporary_buffer(file);
    for (; *text && !result; text++) {
        result = fputwc(*text, file) == WEOF ? EOF : 0;
    }
    stream_end_temporary(file, lent);
    stream_unlock(file);
    return result;
}

int _putws(const wchar_t *text)
{
    return fputws(text, stdout) == EOF || fputwc('\n', stdout) == WEOF ? EOF : 0;
}
