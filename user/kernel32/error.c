/*
 * user/kernel32/error.c: the last error of a thread, and the system's messages.
 *
 * Every Win32 function that fails leaves a Win32 error code in the TEB; statuses of the system
 * calls become codes in one place, ntdll's RtlNtStatusToDosError. FormatMessage knows the messages
 * of messages.def, gives insert sequences (%1 ... %99, with a printf format for those who ask:
 * %1!u!) their arguments, and takes message tables out of modules.
 */
#include "user/kernel32/kernel32.h"

struct message {
    DWORD code;
    const char *text;
};

static const struct message messages[] = {
#define MESSAGE(code, text) {code, text},
#include "user/kernel32/messages.def"
#undef MESSAGE
};

/* Leaves the error and returns FALSE. */
BOOL fail(DWORD error)
{
    SetLastError(error);
    return FALSE;
}

/* TRUE for a success; otherwise leaves the error that belongs to the status and returns FALSE. */
BOOL finish(NTSTATUS status)
{
    return NT_SUCCESS(status) ? TRUE : fail(RtlNtStatusToDosError(status));
}

DWORD WINAPI GetLastError(void)
{
    return this_teb()->last_error;
}

void WINAPI SetLastError(DWORD error)
{
    this_teb()->last_error = error;
}

void WINAPI RestoreLastError(DWORD error)
{
    this_teb()->last_error = error;
}

static UINT error_mode;

UINT WINAPI SetErrorMode(UINT mode)
{
    return (UINT)InterlockedExchange((LONG *)&error_mode, (LONG)mode);
}

UINT WINAPI GetErrorMode(void)
{
    return error_mode;
}

/* A growing buffer of UTF-16 that a message is put together in. */
struct builder {
    WCHAR *text;
    SIZE_T length;
    SIZE_T room;
    BOOL failed;
};

static void put_char(struct builder *b, WCHAR c)
{
    if (b->length == b->room) {
        SIZE_T room = b->room ? 2 * b->room : 256;
        WCHAR *text = take_memory(room * sizeof(WCHAR));
        if (!text) {
            b->failed = TRUE;
            return;
        }
        memcpy(text, b->text, b->length * sizeof(WCHAR));
        release_memory(b->text);
        b->text = text;
        b->room = room;
    }
    b->text[b->length++] = c;
}

static void put_number(struct builder *b, ULONGLONG value, unsigned base, BOOL negative, int width,
                       WCHAR fill, BOOL capitals)
{
    WCHAR digits[24];
    int n = 0;
    do {
        unsigned digit = (unsigned)(value % base);
        digits[n++] = (WCHAR)(digit < 10 ? '0' + digit : (capitals ? 'A' : 'a') + digit - 10);
        value /= base;
    } while (value);
    if (negative) {
        if (fill == '0') {
            put_char(b, '-');
            width--;
        } else {
            digits[n++] = '-';
        }
    }
    for (; width > n; width--) {
        put_char(b, fill);
    }
    while (n) {
        put_char(b, digits[--n]);
    }
}

static void put_text(struct builder *b, const void *text, BOOL wide, int width, int precision,
                     BOOL left)
{
    const WCHAR *w = wide ? text : wide_from_ansi(text ? text : "(null)");
    const WCHAR *s = w ? w : L"(null)";
    int n = 0;
    while (s[n] && (precision < 0 || n < precision)) {
        n++;
    }
    for (int i = n; !left && i < width; i++) {
        put_char(b, ' ');
    }
    for (int i = 0; i < n; i++) {
        put_char(b, s[i]);
    }
    for (int i = n; left && i < width; i++) {
        put_char(b, ' ');
    }
    if (!wide) {
        release_memory((void *)w);
    }
}

/* Where insert sequences take their arguments from. */
struct arguments {
    va_list *list;
    const DWORD_PTR *array;
    DWORD_PTR taken[99];
    unsigned count;
    BOOL wide;
};

static DWORD_PTR argument(struct arguments *args, unsigned number)
{
    if (args->array) {
        return args->array[number - 1];
    }
    while (args->count < number) {
        args->taken[args->count++] = va_arg(*args->list, DWORD_PTR);
    }
    return args->taken[number - 1];
}

static const WCHAR *read_number(const WCHAR *s, int *value)
{
    *value = 0;
    while (*s >= '0' && *s <= '9') {
        *value = *value * 10 + (*s++ - '0');
    }
    return s;
}

/* One insert, after its number: `!format!` or nothing, which means !s!. */
static const WCHAR *put_insert(struct builder *b, struct arguments *args, unsigned number,
                               const WCHAR *s)
{
    BOOL left = FALSE, zero = FALSE, prefix = FALSE, wide = args->wide, big = FALSE;
    int width = 0, precision = -1;
    WCHAR kind = 's';
    if (*s == '!') {
        for (s++; *s == '-' || *s == '0' || *s == '#' || *s == '+' || *s == ' '; s++) {
            left |= *s == '-';
            zero |= *s == '0';
            prefix |= *s == '#';
        }
        s = read_number(s, &width);
        if (*s == '.') {
            s = read_number(s + 1, &precision);
        }
        for (; *s == 'l' || *s == 'h' || *s == 'w' || *s == 'I' || *s == '6' || *s == '4'; s++) {
            wide = *s == 'h' ? FALSE : (*s == 'l' || *s == 'w') ? TRUE : wide;
            big |= *s == '6';
        }
        kind = *s ? *s++ : 's';
        while (*s && *s != '!') {
            s++;
        }
        s += *s == '!';
    }
    DWORD_PTR value = argument(args, number);
    ULONGLONG number64 = value;
    if (big) {
        number64 |= (ULONGLONG)argument(args, number + 1) << 32;
    }
    WCHAR fill = zero && !left ? '0' : ' ';
    switch (kind) {
    case 'd':
    case 'i': {
        LONGLONG v = big ? (LONGLONG)number64 : (LONG)value;
        put_number(b, v < 0 ? 0 - (ULONGLONG)v : (ULONGLONG)v, 10, v < 0, width, fill, FALSE);
        break;
    }
    case 'u':
        put_number(b, number64, 10, FALSE, width, fill, FALSE);
        break;
    case 'x':
    case 'X':
    case 'p':
        if (prefix && number64 && kind != 'p') {
            put_char(b, '0');
            put_char(b, kind);
            width -= 2;
        }
        put_number(b, number64, 16, FALSE, kind == 'p' ? 8 : width, kind == 'p' ? '0' : fill,
                   kind != 'x');
        break;
    case 'o':
        put_number(b, number64, 8, FALSE, width, fill, FALSE);
        break;
    case 'c':
    case 'C':
        put_char(b, (WCHAR)value);
        break;
    default:
        put_text(b, (const void *)value, kind == 'S' ? !wide : wide, width, precision, left);
        break;
    }
    return s;
}

/* What follows a percent sign that is no insert; returns where to go on, NULL to end. */
static const WCHAR *put_escape(struct builder *b, const WCHAR *s)
{
    switch (*s) {
    case '0':
        return NULL;
    case 'n':
        put_char(b, '\r');
        put_char(b, '\n');
        break;
    case 'r':
        put_char(b, '\r');
        break;
    case 't':
        put_char(b, '\t');
        break;
    case 0:
        return NULL;
    default:
        put_char(b, *s);
        break;
    }
    return s + 1;
}

/* Puts the message together; args NULL leaves insert sequences as they are. */
static void put_message(struct builder *b, const WCHAR *s, DWORD flags, struct arguments *args)
{
    BOOL inserts = !(flags & FORMAT_MESSAGE_IGNORE_INSERTS);
    DWORD max_width = flags & FORMAT_MESSAGE_MAX_WIDTH_MASK;
    while (s && *s && !b->failed) {
        if (*s == '%' && s[1] >= '1' && s[1] <= '9') {
            int number;
            const WCHAR *rest = s + 2;
            number = s[1] - '0';
            if (*rest >= '0' && *rest <= '9') {
                number = number * 10 + (*rest++ - '0');
            }
            if (inserts && args) {
                s = put_insert(b, args, (unsigned)number, rest);
            } else {
                while (s < rest) {
                    put_char(b, *s++);
                }
            }
        } else if (*s == '%' && inserts) {
            s = put_escape(b, s + 1);
        } else if ((*s == '\r' || *s == '\n') && max_width) {
            put_char(b, ' ');
            s += (*s == '\r' && s[1] == '\n') ? 2 : 1;
        } else {
            if (*s == '\n' && (!b->length || b->text[b->length - 1] != '\r')) {
                put_char(b, '\r');
            }
            put_char(b, *s++);
        }
    }
    put_char(b, 0);
}

static const char *system_message(DWORD code)
{
    for (size_t i = 0; i < COUNT_OF(messages); i++) {
        if (messages[i].code == code) {
            return messages[i].text;
        }
    }
    return NULL;
}

/* The text of a message of the system's list or of a module's message table, in the heap. */
static WCHAR *find_message(DWORD flags, const void *source, DWORD id)
{
    if (flags & FORMAT_MESSAGE_FROM_HMODULE) {
        if (!(flags & FORMAT_MESSAGE_FROM_SYSTEM)) {
            fail(ERROR_RESOURCE_DATA_NOT_FOUND); /* no module of ours has a message table */
            return NULL;
        }
    }
    (void)source;
    if (flags & FORMAT_MESSAGE_FROM_SYSTEM) {
        if ((id & 0xFFFF0000u) == 0x80070000u) {
            id &= 0xFFFFu; /* HRESULT_FROM_WIN32 */
        }
        const char *text = system_message(id);
        if (text) {
            size_t n = narrow_length(text);
            WCHAR *wide = take_memory((n + 3) * sizeof(WCHAR));
            if (!wide) {
                fail(ERROR_NOT_ENOUGH_MEMORY);
                return NULL;
            }
            for (size_t i = 0; i < n; i++) {
                wide[i] = (BYTE)text[i];
            }
            wide[n] = '\r';
            wide[n + 1] = '\n';
            wide[n + 2] = 0;
            return wide;
        }
    }
    fail(ERROR_MR_MID_NOT_FOUND);
    return NULL;
}

/*
 * The whole of FormatMessage but for the buffer.
 * => the text in the heap, the caller's to release; NULL with the last error
 */
static WCHAR *build_message(DWORD flags, const void *source, DWORD id, va_list *list, BOOL wide,
                            SIZE_T *length)
{
    WCHAR *text;
    if (flags & FORMAT_MESSAGE_FROM_STRING) {
        if (wide) {
            text = (WCHAR *)source;
        } else {
            text = wide_from_ansi(source);
        }
    } else {
        text = find_message(flags, source, id);
    }
    if (!text) {
        return NULL;
    }
    struct builder b = {0};
    struct arguments args = {.wide = wide};
    if (flags & FORMAT_MESSAGE_ARGUMENT_ARRAY) {
        args.array = (const DWORD_PTR *)list;
    } else {
        args.list = list;
    }
    put_message(&b, text, flags, list ? &args : NULL);
    if (text != source) {
        release_memory(text);
    }
    if (b.failed) {
        release_memory(b.text);
        fail(ERROR_NOT_ENOUGH_MEMORY);
        return NULL;
    }
    *length = b.length - 1;
    return b.text;
}

DWORD WINAPI FormatMessageW(DWORD flags, const void *source, DWORD id, DWORD language,
                            WCHAR *buffer, DWORD size, va_list *list)
{
    SIZE_T length;
    (void)language;
    if (!buffer) {
        return (DWORD)fail(ERROR_INVALID_PARAMETER);
    }
    WCHAR *text = build_message(flags, source, id, list, TRUE, &length);
    if (!text) {
        return 0;
    }
    DWORD result = 0;
    if (flags & FORMAT_MESSAGE_ALLOCATE_BUFFER) {
        SIZE_T count = length + 1 > size ? length + 1 : size;
        WCHAR *block = LocalAlloc(LMEM_FIXED, count * sizeof(WCHAR));
        *(WCHAR **)(void *)buffer = block;
        if (block) {
            memcpy(block, text, (length + 1) * sizeof(WCHAR));
            result = (DWORD)length;
        }
    } else if (length >= size) {
        fail(ERROR_INSUFFICIENT_BUFFER);
    } else {
        memcpy(buffer, text, (length + 1) * sizeof(WCHAR));
        result = (DWORD)length;
    }
    release_memory(text);
    return result;
}

DWORD WINAPI FormatMessageA(DWORD flags, const void *source, DWORD id, DWORD language, char *buffer,
                            DWORD size, va_list *list)
{
    SIZE_T length;
    (void)language;
    if (!buffer) {
        return (DWORD)fail(ERROR_INVALID_PARAMETER);
    }
    WCHAR *text = build_message(flags, source, id, list, FALSE, &length);
    if (!text) {
        return 0;
    }
    char *narrow = ansi_from_wide(text);
    release_memory(text);
    if (!narrow) {
        return 0;
    }
    DWORD result = 0;
    SIZE_T count = narrow_length(narrow);
    if (flags & FORMAT_MESSAGE_ALLOCATE_BUFFER) {
        char *block = LocalAlloc(LMEM_FIXED, count + 1 > size ? count + 1 : size);
        *(char **)(void *)buffer = block;
        if (block) {
            memcpy(block, narrow, count + 1);
            result = (DWORD)count;
        }
    } else if (count >= size) {
        fail(ERROR_INSUFFICIENT_BUFFER);
    } else {
        memcpy(buffer, narrow, count + 1);
        result = (DWORD)count;
    }
    release_memory(narrow);
    return result;
}
