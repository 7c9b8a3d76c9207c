/*
 * kernel/lib/format.c: the kernel's own small printf.
 *
 * One pass over the format; each conversion is parsed into a struct spec and written by one
 * function per family. Nothing is allocated, the text goes to the caller's buffer, and what does
 * not fit is counted but not written, as with snprintf. Unknown conversions are copied as they
 * stand, so that a wrong format shows instead of crashing.
 */
#include "kernel/format.h"

#include "kernel/string.h"
#include "quire/types.h"

struct output {
    char *buffer;
    size_t nbytes;
    size_t length; /* of the whole text, written or not */
};

struct spec {
    bool left;
    bool zero;
    bool upper;
    bool has_precision;
    uint32_t width;
    uint32_t precision;
    uint32_t length; /* 0: int, 1: long or size_t, 2: long long */
};

static void put(struct output *out, char c)
{
    if (out->length + 1 < out->nbytes) {
        out->buffer[out->length] = c;
    }
    out->length++;
}

static void put_repeated(struct output *out, char c, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        put(out, c);
    }
}

static void put_text(struct output *out, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        put(out, text[i]);
    }
}

static void put_string(struct output *out, const struct spec *spec, const char *text)
{
    const char *shown = text != NULL ? text : "(null)";
    size_t length = spec->has_precision ? strnlen(shown, spec->precision) : strlen(shown);
    uint32_t padding = length < spec->width ? spec->width - (uint32_t)length : 0;

    put_repeated(out, ' ', spec->left ? 0 : padding);
    put_text(out, shown, length);
    put_repeated(out, ' ', spec->left ? padding : 0);
}

/* A number in BASE (10 or 16) after its SIGN ("", "-", "0x"), padded as SPEC says. */
static void put_number(struct output *out, const struct spec *spec, uint64_t value, uint32_t base,
                       const char *sign)
{
    const char *digits = spec->upper ? "0123456789ABCDEF" : "0123456789abcdef";
    char text[20];
    uint32_t first = sizeof(text);
    uint32_t sign_length = (uint32_t)strlen(sign);

    /* 64-bit division is a call on a 32-bit machine: only as long as it is needed. */
    while (value > UINT32_MAX) {
        text[--first] = digits[value % base];
        value /= base;
    }
    for (uint32_t rest = (uint32_t)value; rest != 0 || first == sizeof(text); rest /= base) {
        text[--first] = digits[rest % base];
    }

    uint32_t length = (uint32_t)sizeof(text) - first + sign_length;
    uint32_t padding = length < spec->width ? spec->width - length : 0;
    bool zeroes = spec->zero && !spec->left;

    put_repeated(out, ' ', spec->left || zeroes ? 0 : padding);
    put_text(out, sign, sign_length);
    put_repeated(out, '0', zeroes ? padding : 0);
    put_text(out, text + first, sizeof(text) - first);
    put_repeated(out, ' ', spec->left ? padding : 0);
}

/* Decimal digits at *FORMAT, which moves behind them. */
static uint32_t parse_number(const char **format)
{
    uint32_t number = 0;

    while (**format >= '0' && **format <= '9') {
        number = number * 10 + (uint32_t)(**format - '0');
        (*format)++;
    }
    return number;
}

/* Parses what stands between '%' and the conversion; *ARGUMENTS gives a '*'. */
static const char *parse_spec(const char *format, struct spec *spec, va_list *arguments)
{
    *spec = (struct spec){0};
    for (; *format == '-' || *format == '0'; format++) {
        spec->left = spec->left || *format == '-';
        spec->zero = spec->zero || *format == '0';
    }
    if (*format == '*') {
        int width = va_arg(*arguments, int);

        spec->left = spec->left || width < 0;
        spec->width = width < 0 ? 0u - (uint32_t)width : (uint32_t)width;
        format++;
    } else {
        spec->width = parse_number(&format);
    }
    if (*format == '.') {
        format++;
        spec->has_precision = true;
        if (*format == '*') {
            int precision = va_arg(*arguments, int);

            spec->has_precision = precision >= 0;
            spec->precision = (uint32_t)precision;
            format++;
        } else {
            spec->precision = parse_number(&format);
        }
    }
    for (; *format == 'l' || *format == 'z'; format++) {
        spec->length++;
    }
    return format;
}

static uint64_t unsigned_argument(const struct spec *spec, va_list *arguments)
{
    if (spec->length == 0) {
        return va_arg(*arguments, unsigned int);
    }
    if (spec->length == 1) {
        return va_arg(*arguments, unsigned long);
    }
    return va_arg(*arguments, unsigned long long);
}

static int64_t signed_argument(const struct spec *spec, va_list *arguments)
{
    if (spec->length == 0) {
        return va_arg(*arguments, int);
    }
    if (spec->length == 1) {
        return va_arg(*arguments, long);
    }
    return va_arg(*arguments, long long);
}

static void put_signed(struct output *out, const struct spec *spec, int64_t value)
{
    if (value < 0) {
        put_number(out, spec, 0 - (uint64_t)value, 10, "-");
    } else {
        put_number(out, spec, (uint64_t)value, 10, "");
    }
}

static void put_pointer(struct output *out, const struct spec *spec, const void *pointer)
{
    struct spec wide = *spec;

    wide.zero = true;
    wide.left = false;
    wide.width = 2 + 2 * sizeof(uint32_t);
    put_number(out, &wide, (uintptr_t)pointer, 16, "0x");
}

static void put_character(struct output *out, const struct spec *spec, char c)
{
    uint32_t padding = spec->width > 1 ? spec->width - 1 : 0;

    put_repeated(out, ' ', spec->left ? 0 : padding);
    put(out, c);
    put_repeated(out, ' ', spec->left ? padding : 0);
}

/* One conversion; FORMAT stands behind the '%'. Returns where the text goes on. */
static const char *convert(struct output *out, const char *format, va_list *arguments)
{
    struct spec spec;

    format = parse_spec(format, &spec, arguments);
    switch (*format) {
    case 's':
        put_string(out, &spec, va_arg(*arguments, const char *));
        break;
    case 'c':
        put_character(out, &spec, (char)va_arg(*arguments, int));
        break;
    case 'd':
    case 'i':
        put_signed(out, &spec, signed_argument(&spec, arguments));
        break;
    case 'u':
        put_number(out, &spec, unsigned_argument(&spec, arguments), 10, "");
        break;
    case 'X':
    case 'x':
        spec.upper = *format == 'X';
        put_number(out, &spec, unsigned_argument(&spec, arguments), 16, "");
        break;
    case 'p':
        put_pointer(out, &spec, va_arg(*arguments, const void *));
        break;
    case '\0':
        return format;
    default:
        if (*format != '%') {
            put(out, '%');
        }
        put(out, *format);
        break;
    }
    return format + 1;
}

size_t kformat_v(char *buffer, size_t nbytes, const char *format, va_list arguments)
{
    struct output out = {.buffer = buffer, .nbytes = nbytes};
    va_list list;

    va_copy(list, arguments);
    while (*format != '\0') {
        if (*format == '%') {
            format = convert(&out, format + 1, &list);
        } else {
            put(&out, *format++);
        }
    }
    va_end(list);
    if (nbytes != 0) {
        buffer[out.length < nbytes ? out.length : nbytes - 1] = '\0';
    }
    return out.length;
}

size_t kformat(char *buffer, size_t nbytes, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    size_t length = kformat_v(buffer, nbytes, format, arguments);
    va_end(arguments);
    return length;
}
