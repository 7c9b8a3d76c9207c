/*
 * user/msvcrt/print.c: the printf and scanf families.
 *
 * libmingwex formats and scans; here are the streams and buffers, and the words of msvcrt that
 * libmingwex says differently: %ws is %ls, L before e, f, g means nothing (a long double is a
 * double), and in wide formats plain %s and %c mean wide ones, %S and %C narrow ones.
 */
#include "user/msvcrt/msvcrt.h"

int __mingw_vsnprintf(char *buffer, size_t size, const char *format, va_list list);
int __mingw_vsnwprintf(wchar_t *buffer, size_t size, const wchar_t *format, va_list list);
int __mingw_vfscanf(FILE *file, const char *format, va_list list);
int __mingw_vsscanf(const char *text, const char *format, va_list list);
int __mingw_vfwscanf(FILE *file, const wchar_t *format, va_list list);
int __mingw_vswscanf(const wchar_t *text, const wchar_t *format, va_list list);

/* Whether the format has a word that needs translating. */
static int needs_translation(const char *format)
{
    int inside = 0;
    for (; *format; format++) {
        if (*format == '%') {
            inside = !inside;
        } else if (inside) {
            if (*format == 'w' || *format == 'L' || *format == 'C' || *format == 'p') {
                return 1;
            }
            inside = !((*format >= 'a' && *format <= 'z' && *format != 'h' && *format != 'l') ||
                       (*format >= 'A' && *format <= 'Z' && *format != 'I'));
        }
    }
    return 0;
}

/* The format in libmingwex's words; the caller frees it when it is another. */
static const char *translate(const char *format, int scan)
{
    if (!needs_translation(format)) {
        return format;
    }
    char *made = malloc(2 * strlen(format) + 1), *to = made;
    if (!made) {
        return format;
    }
    for (const char *s = format; *s;) {
        *to++ = *s;
        if (*s++ != '%') {
            continue;
        }
        while (*s && strchr("-+ #0123456789.*hlIwLjzt", *s)) {
            if (*s == 'w') {
                *to++ = 'l';
            } else if (*s != 'L' || scan) {
                *to++ = *s;
            }
            s++;
        }
        if (*s == 'C') {
            *to++ = 'l';
            *to++ = 'c';
            s++;
        } else if (*s == 'p' && !scan) {
            memcpy(to, "08X", 3);
            to += 3;
            s++;
        } else if (*s) {
            *to++ = *s++;
        }
    }
    *to = 0;
    return made;
}

static void done_with(const char *made, const char *format)
{
    if (made != format) {
        free((void *)made);
    }
}

/* Formatted text, in the caller's room or in the heap. */
struct text {
    char room[1024];
    char *data;
    int length; /* -1: no memory */
};

static void format_text(struct text *text, const char *format, va_list list)
{
    va_list again;
    const char *made = translate(format, 0);
    text->data = text->room;
    va_copy(again, list);
    text->length = __mingw_vsnprintf(text->room, sizeof(text->room), made, list);
    if (text->length >= (int)sizeof(text->room)) {
        text->data = malloc((size_t)text->length + 1);
        text->length =
            text->data ? __mingw_vsnprintf(text->data, (size_t)text->length + 1, made, again) : -1;
    }
    va_end(again);
    done_with(made, format);
}

static void free_text(struct text *text)
{
    if (text->data != text->room) {
        free(text->data);
    }
}

int crt_vfprintf(FILE *file, const char *format, va_list list)
{
    struct text text;
    format_text(&text, format, list);
    int result = text.length;
    if (result > 0 && fwrite(text.data, 1, (size_t)result, file) != (size_t)result) {
        result = -1;
    }
    free_text(&text);
    return result;
}

int crt_vprintf(const char *format, va_list list)
{
    return crt_vfprintf(stdout, format, list);
}

int crt_fprintf(FILE *file, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int result = crt_vfprintf(file, format, list);
    va_end(list);
    return result;
}

int crt_printf(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int result = crt_vfprintf(stdout, format, list);
    va_end(list);
    return result;
}

/* msvcrt's own: no closing zero when the text just fits, -1 when it does not. */
int crt_vsnprintf(char *buffer, size_t size, const char *format, va_list list)
{
    struct text text;
    format_text(&text, format, list);
    int result = text.length;
    if (result >= 0) {
        size_t n = (size_t)result;
        memcpy(buffer, text.data, n < size ? n + 1 : size);
        result = n > size ? -1 : result;
    }
    free_text(&text);
    return result;
}

int crt_snprintf(char *buffer, size_t size, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int result = crt_vsnprintf(buffer, size, format, list);
    va_end(list);
    return result;
}

int crt_vsprintf(char *buffer, const char *format, va_list list)
{
    return crt_vsnprintf(buffer, INT_MAX, format, list);
}

int crt_sprintf(char *buffer, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int result = crt_vsprintf(buffer, format, list);
    va_end(list);
    return result;
}

int crt_vscprintf(const char *format, va_list list)
{
    const char *made = translate(format, 0);
    int result = __mingw_vsnprintf(NULL, 0, made, list);
    done_with(made, format);
    return result;
}

int crt_scprintf(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int result = crt_vscprintf(format, list);
    va_end(list);
    return result;
}

int crt_vsprintf_s(char *buffer, size_t size, const char *format, va_list list)
{
    int result = crt_vsnprintf(buffer, size, format, list);
    if ((result < 0 || (size_t)result >= size) && size) {
        buffer[0] = 0;
        errno = ERANGE;
        return -1;
    }
    return result;
}

int crt_sprintf_s(char *buffer, size_t size, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int result = crt_vsprintf_s(buffer, size, format, list);
    va_end(list);
    return result;
}

int crt_vsnprintf_s(char *buffer, size_t size, size_t count, const char *format, va_list list)
{
    size_t room = count < size ? count + 1 : size;
    int result = crt_vsnprintf(buffer, room, format, list);
    if (result < 0 || (size_t)result >= room) {
        if (room) {
            buffer[count < size || count == _TRUNCATE ? room - 1 : 0] = 0;
        }
        return -1;
    }
    return result;
}

int crt_snprintf_s(char *buffer, size_t size, size_t count, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int result = crt_vsnprintf_s(buffer, size, count, format, list);
    va_end(list);
    return result;
}

/* A wide format in libmingwex's words, to be freed. */
static wchar_t *translate_wide(const wchar_t *format)
{
    wchar_t *made = malloc((2 * wcslen(format) + 1) * sizeof(wchar_t)), *to = made;
    if (!made) {
        return NULL;
    }
    for (const wchar_t *s = format; *s;) {
        int sized = 0;
        *to++ = *s;
        if (*s++ != '%') {
            continue;
        }
        while (*s && wcschr(L"-+ #0123456789.*hlIwLjzt", *s)) {
            sized |= *s == 'h' || *s == 'l' || *s == 'w';
            if (*s == 'w') {
                *to++ = 'l';
            } else if (*s != 'L') {
                *to++ = *s;
            }
            s++;
        }
        if (*s == 's' || *s == 'c') {
            if (!sized) {
                *to++ = 'l';
            }
            *to++ = *s++;
        } else if (*s == 'S' || *s == 'C') {
            if (!sized) {
                *to++ = 'h';
            }
            *to++ = (wchar_t)(*s++ + 32);
        } else if (*s) {
            *to++ = *s++;
        }
    }
    *to = 0;
    return made;
}

/* Wide text of any length, in the heap; NULL with -1. */
static wchar_t *format_wide(const wchar_t *format, va_list list, int *length)
{
    wchar_t *made = translate_wide(format), *text = NULL;
    size_t room = 512;
    *length = -1;
    while (made && *length < 0 && room < 0x4000000) {
        va_list again;
        free(text);
        text = malloc(room * sizeof(wchar_t));
        if (!text) {
            break;
        }
        va_copy(again, list);
        *length = __mingw_vsnwprintf(text, room, made, again);
        va_end(again);
        if (*length >= (int)room) {
            *length = -1;
        }
        room *= 4;
    }
    free(made);
    return text;
}

int crt_vfwprintf(FILE *file, const wchar_t *format, va_list list)
{
    int length;
    wchar_t *text = format_wide(format, list, &length);
    stream_lock(file);
    int lent = stream_temporary_buffer(file);
    for (int i = 0; i < length; i++) {
        if (fputwc(text[i], file) == WEOF) {
            length = -1;
        }
    }
    stream_end_temporary(file, lent);
    stream_unlock(file);
    free(text);
    return length;
}

int crt_vwprintf(const wchar_t *format, va_list list)
{
    return crt_vfwprintf(stdout, format, list);
}

int crt_fwprintf(FILE *file, const wchar_t *format, ...)
{
    va_list list;
    va_start(list, format);
    int result = crt_vfwprintf(file, format, list);
    va_end(list);
    return result;
}

/* libmingwex's name for it; only its printing straight to streams, which is not used, calls this.
 */
int __ms_fwprintf(FILE *file, const wchar_t *format, ...)
{
    va_list list;
    va_start(list, format);
    int result = crt_vfwprintf(file, format, list);
    va_end(list);
    return result;
}

int crt_wprintf(const wchar_t *format, ...)
{
    va_list list;
    va_start(list, format);
    int result = crt_vfwprintf(stdout, format, list);
    va_end(list);
    return result;
}

int crt_vsnwprintf(wchar_t *buffer, size_t size, const wchar_t *format, va_list list)
{
    int length;
    wchar_t *text = format_wide(format, list, &length);
    if (length >= 0) {
        size_t n = (size_t)length;
        memcpy(buffer, text, (n < size ? n + 1 : size) * sizeof(wchar_t));
        length = n > size ? -1 : length;
    }
    free(text);
    return length;
}

int crt_snwprintf(wchar_t *buffer, size_t size, const wchar_t *format, ...)
{
    va_list list;
    va_start(list, format);
    int result = crt_vsnwprintf(buffer, size, format, list);
    va_end(list);
    return result;
}

int crt_vswprintf(wchar_t *buffer, const wchar_t *format, va_list list)
{
    return crt_vsnwprintf(buffer, INT_MAX / sizeof(wchar_t), format, list);
}

int crt_swprintf(wchar_t *buffer, const wchar_t *format, ...)
{
    va_list list;
    va_start(list, format);
    int result = crt_vswprintf(buffer, format, list);
    va_end(list);
    return result;
}

int crt_vscwprintf(const wchar_t *format, va_list list)
{
    int length;
    free(format_wide(format, list, &length));
    return length;
}

int crt_scwprintf(const wchar_t *format, ...)
{
    va_list list;
    va_start(list, format);
    int result = crt_vscwprintf(format, list);
    va_end(list);
    return result;
}

int crt_vfscanf(FILE *file, const char *format, va_list list)
{
    const char *made = translate(format, 1);
    int result = __mingw_vfscanf(file, made, list);
    done_with(made, format);
    return result;
}

int crt_fscanf(FILE *file, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int result = crt_vfscanf(file, format, list);
    va_end(list);
    return result;
}

int crt_scanf(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int result = crt_vfscanf(stdin, format, list);
    va_end(list);
    return result;
}

int crt_sscanf(const char *text, const char *format, ...)
{
    va_list list;
    const char *made = translate(format, 1);
    va_start(list, format);
    int result = __mingw_vsscanf(text, made, list);
    va_end(list);
    done_with(made, format);
    return result;
}

int crt_fwscanf(FILE *file, const wchar_t *format, ...)
{
    va_list list;
    wchar_t *made = translate_wide(format);
    va_start(list, format);
    int result = made ? __mingw_vfwscanf(file, made, list) : EOF;
    va_end(list);
    free(made);
    return result;
}

int crt_wscanf(const wchar_t *format, ...)
{
    va_list list;
    wchar_t *made = translate_wide(format);
    va_start(list, format);
    int result = made ? __mingw_vfwscanf(stdin, made, list) : EOF;
    va_end(list);
    free(made);
    return result;
}

int crt_swscanf(const wchar_t *text, const wchar_t *format, ...)
{
    va_list list;
    wchar_t *made = translate_wide(format);
    va_start(list, format);
    int result = made ? __mingw_vswscanf(text, made, list) : EOF;
    va_end(list);
    free(made);
    return result;
}
