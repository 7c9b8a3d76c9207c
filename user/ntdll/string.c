/*
 * user/ntdll/string.c: counted strings: STRING and UNICODE_STRING. Lengths are in bytes; a buffer
 * that a function allocates comes from the process heap and is closed by a zero.
 */
#include "user/ntdll/loader.h"

#define MAX_STRING_BYTES 0xFFFCu

/*
 * Initializing, allocating, freeing
 */

NTSTATUS NTAPI RtlInitUnicodeStringEx(UNICODE_STRING *string, const WCHAR *source)
{
    size_t nbytes = source ? wcslen(source) * sizeof(WCHAR) : 0;

    if (nbytes > MAX_STRING_BYTES) {
        return STATUS_NAME_TOO_LONG;
    }
    string->Length = (USHORT)nbytes;
    string->MaximumLength = (USHORT)(source ? nbytes + sizeof(WCHAR) : 0);
    string->Buffer = (WCHAR *)(uintptr_t)source;
    return STATUS_SUCCESS;
}

VOID NTAPI RtlInitUnicodeString(PUNICODE_STRING string, PCWSTR source)
{
    if (!NT_SUCCESS(RtlInitUnicodeStringEx(string, source))) {
        string->Length = MAX_STRING_BYTES;
        string->MaximumLength = MAX_STRING_BYTES + sizeof(WCHAR);
        string->Buffer = (WCHAR *)(uintptr_t)source;
    }
}

NTSTATUS NTAPI RtlInitAnsiStringEx(PANSI_STRING string, PCSZ source)
{
    size_t nbytes = source ? strlen(source) : 0;

    if (nbytes > MAX_STRING_BYTES) {
        return STATUS_NAME_TOO_LONG;
    }
    string->Length = (USHORT)nbytes;
    string->MaximumLength = (USHORT)(source ? nbytes + 1 : 0);
    string->Buffer = (char *)(uintptr_t)source;
    return STATUS_SUCCESS;
}

VOID NTAPI RtlInitString(PSTRING string, PCSZ source)
{
    if (!NT_SUCCESS(RtlInitAnsiStringEx(string, source))) {
        string->Length = MAX_STRING_BYTES;
        string->MaximumLength = MAX_STRING_BYTES + 1;
        string->Buffer = (char *)(uintptr_t)source;
    }
}

VOID NTAPI RtlInitAnsiString(PANSI_STRING string, PCSZ source)
{
    RtlInitString(string, source);
}

static bool allocate_unicode(UNICODE_STRING *string, size_t nbytes)
{
    if (nbytes > MAX_STRING_BYTES) {
        return false;
    }
    string->Buffer = heap_take(nbytes + sizeof(WCHAR));
    string->Length = 0;
    string->MaximumLength = (USHORT)(nbytes + sizeof(WCHAR));
    return string->Buffer != NULL;
}

BOOLEAN NTAPI RtlCreateUnicodeString(UNICODE_STRING *string, const WCHAR *source)
{
    size_t nbytes = wcslen(source) * sizeof(WCHAR);

    if (!allocate_unicode(string, nbytes)) {
        return FALSE;
    }
    memcpy(string->Buffer, source, nbytes);
    string->Length = (USHORT)nbytes;
    return TRUE;
}

BOOLEAN NTAPI RtlCreateUnicodeStringFromAsciiz(PUNICODE_STRING string, LPCSTR source)
{
    STRING text;

    RtlInitString(&text, source);
    return NT_SUCCESS(RtlAnsiStringToUnicodeString(string, &text, TRUE));
}

/* FLAGS: 1 = close with a zero, 2 = allocate even when it is empty. */
NTSTATUS NTAPI RtlDuplicateUnicodeString(ULONG flags, const UNICODE_STRING *source,
                                         UNICODE_STRING *destination)
{
    if (source->Length == 0 && flags != 3) {
        memset(destination, 0, sizeof(*destination));
        return STATUS_SUCCESS;
    }
    if (!allocate_unicode(destination, source->Length)) {
        return STATUS_NO_MEMORY;
    }
    memcpy(destination->Buffer, source->Buffer, source->Length);
    destination->Length = source->Length;
    if (!(flags & 1)) {
        destination->MaximumLength = source->Length;
    }
    return STATUS_SUCCESS;
}

VOID NTAPI RtlFreeUnicodeString(PUNICODE_STRING string)
{
    heap_give(string->Buffer);
    memset(string, 0, sizeof(*string));
}

VOID NTAPI RtlFreeAnsiString(PANSI_STRING string)
{
    heap_give(string->Buffer);
    memset(string, 0, sizeof(*string));
}

VOID NTAPI RtlFreeOemString(POEM_STRING string)
{
    RtlFreeAnsiString(string);
}

/*
 * Copying, appending
 */

void NTAPI RtlCopyUnicodeString(UNICODE_STRING *destination, const UNICODE_STRING *source)
{
    USHORT nbytes = source ? source->Length : 0;

    if (nbytes > destination->MaximumLength) {
        nbytes = destination->MaximumLength;
    }
    destination->Length = nbytes;
    if (nbytes) {
        memcpy(destination->Buffer, source->Buffer, nbytes);
    }
    if (nbytes + sizeof(WCHAR) <= destination->MaximumLength) {
        destination->Buffer[nbytes / sizeof(WCHAR)] = 0;
    }
}

NTSTATUS NTAPI RtlAppendUnicodeStringToString(UNICODE_STRING *destination,
                                              const UNICODE_STRING *source)
{
    size_t nbytes = (size_t)destination->Length + source->Length;

    if (nbytes > destination->MaximumLength) {
        return STATUS_BUFFER_TOO_SMALL;
    }
    memmove((char *)destination->Buffer + destination->Length, source->Buffer, source->Length);
    destination->Length = (USHORT)nbytes;
    if (nbytes + sizeof(WCHAR) <= destination->MaximumLength) {
        destination->Buffer[nbytes / sizeof(WCHAR)] = 0;
    }
    return STATUS_SUCCESS;
}

NTSTATUS NTAPI RtlAppendUnicodeToString(UNICODE_STRING *destination, const WCHAR *source)
{
    UNICODE_STRING string;
    NTSTATUS status = RtlInitUnicodeStringEx(&string, source);

    return NT_SUCCESS(status) && source ? RtlAppendUnicodeStringToString(destination, &string)
                                        : status;
}

/*
 * Comparing
 */

/* Lengths in characters. */
LONG NTAPI RtlCompareUnicodeStrings(const WCHAR *first, SIZE_T first_length, const WCHAR *second,
                                    SIZE_T second_length, BOOLEAN ignore_case)
{
    SIZE_T length = first_length < second_length ? first_length : second_length;

    for (SIZE_T i = 0; i < length; i++) {
        if (first[i] == second[i]) {
            continue;
        }
        LONG a = ignore_case ? RtlUpcaseUnicodeChar(first[i]) : first[i];
        LONG b = ignore_case ? RtlUpcaseUnicodeChar(second[i]) : second[i];
        if (a != b) {
            return a - b;
        }
    }
    return (LONG)first_length - (LONG)second_length;
}

LONG NTAPI RtlCompareUnicodeString(const UNICODE_STRING *first, const UNICODE_STRING *second,
                                   BOOLEAN ignore_case)
{
    return RtlCompareUnicodeStrings(first->Buffer, first->Length / sizeof(WCHAR), second->Buffer,
                                    second->Length / sizeof(WCHAR), ignore_case);
}

BOOLEAN NTAPI RtlEqualUnicodeString(const UNICODE_STRING *first, const UNICODE_STRING *second,
                                    BOOLEAN ignore_case)
{
    return first->Length == second->Length &&
           RtlCompareUnicodeString(first, second, ignore_case) == 0;
}

BOOLEAN NTAPI RtlPrefixUnicodeString(PCUNICODE_STRING first, PCUNICODE_STRING second,
                                     BOOLEAN ignore_case)
{
    size_t length = first->Length / sizeof(WCHAR);

    return first->Length <= second->Length &&
           RtlCompareUnicodeStrings(first->Buffer, length, second->Buffer, length, ignore_case) ==
               0;
}

LONG NTAPI RtlCompareString(const STRING *first, const STRING *second, BOOLEAN ignore_case)
{
    USHORT length = first->Length < second->Length ? first->Length : second->Length;

    for (USHORT i = 0; i < length; i++) {
        uint8_t a = (uint8_t)(ignore_case ? RtlUpperChar(first->Buffer[i]) : first->Buffer[i]);
        uint8_t b = (uint8_t)(ignore_case ? RtlUpperChar(second->Buffer[i]) : second->Buffer[i]);
        if (a != b) {
            return (LONG)a - (LONG)b;
        }
    }
    return (LONG)first->Length - (LONG)second->Length;
}

BOOLEAN NTAPI RtlEqualString(const STRING *first, const STRING *second, BOOLEAN ignore_case)
{
    return first->Length == second->Length && RtlCompareString(first, second, ignore_case) == 0;
}

/* ALGORITHM: 0 or 1, x65599. */
NTSTATUS NTAPI RtlHashUnicodeString(const UNICODE_STRING *string, BOOLEAN ignore_case,
                                    ULONG algorithm, ULONG *hash)
{
    ULONG sum = 0;

    if (algorithm > 1) {
        return STATUS_INVALID_PARAMETER;
    }
    for (USHORT i = 0; i < string->Length / sizeof(WCHAR); i++) {
        WCHAR c = string->Buffer[i];
        sum = sum * 65599 + (ignore_case ? RtlUpcaseUnicodeChar(c) : c);
    }
    *hash = sum;
    return STATUS_SUCCESS;
}

/*
 * Converting
 */

static NTSTATUS convert_case(UNICODE_STRING *destination, const UNICODE_STRING *source,
                             BOOLEAN allocate, WCHAR(NTAPI *convert)(WCHAR))
{
    if (allocate && !allocate_unicode(destination, source->Length)) {
        return STATUS_NO_MEMORY;
    }
    if (source->Length > destination->MaximumLength) {
        return STATUS_BUFFER_OVERFLOW;
    }
    for (USHORT i = 0; i < source->Length / sizeof(WCHAR); i++) {
        destination->Buffer[i] = convert(source->Buffer[i]);
    }
    destination->Length = source->Length;
    return STATUS_SUCCESS;
}

NTSTATUS NTAPI RtlUpcaseUnicodeString(UNICODE_STRING *destination, const UNICODE_STRING *source,
                                      BOOLEAN allocate)
{
    return convert_case(destination, source, allocate, RtlUpcaseUnicodeChar);
}

NTSTATUS NTAPI RtlDowncaseUnicodeString(UNICODE_STRING *destination, const UNICODE_STRING *source,
                                        BOOLEAN allocate)
{
    return convert_case(destination, source, allocate, RtlDowncaseUnicodeChar);
}

NTSTATUS NTAPI RtlAnsiStringToUnicodeString(PUNICODE_STRING destination, PCANSI_STRING source,
                                            BOOLEAN allocate)
{
    ULONG nbytes;

    RtlMultiByteToUnicodeSize(&nbytes, source->Buffer, source->Length);
    if (nbytes > MAX_STRING_BYTES) {
        return STATUS_INVALID_PARAMETER_2;
    }
    if (allocate && !allocate_unicode(destination, nbytes)) {
        return STATUS_NO_MEMORY;
    }
    if (nbytes + sizeof(WCHAR) > destination->MaximumLength) {
        return STATUS_BUFFER_OVERFLOW;
    }
    RtlMultiByteToUnicodeN(destination->Buffer, nbytes, NULL, source->Buffer, source->Length);
    destination->Buffer[nbytes / sizeof(WCHAR)] = 0;
    destination->Length = (USHORT)nbytes;
    return STATUS_SUCCESS;
}

NTSTATUS NTAPI RtlUnicodeStringToAnsiString(PANSI_STRING destination, PCUNICODE_STRING source,
                                            BOOLEAN allocate)
{
    ULONG nbytes;

    RtlUnicodeToMultiByteSize(&nbytes, source->Buffer, source->Length);
    if (nbytes > MAX_STRING_BYTES) {
        return STATUS_INVALID_PARAMETER_2;
    }
    if (allocate) {
        destination->Buffer = heap_take(nbytes + 1);
        destination->MaximumLength = (USHORT)(nbytes + 1);
        if (!destination->Buffer) {
            return STATUS_NO_MEMORY;
        }
    }
    if (destination->MaximumLength == 0) {
        return STATUS_BUFFER_OVERFLOW;
    }
    NTSTATUS status = STATUS_SUCCESS;
    if (nbytes >= destination->MaximumLength) {
        nbytes = destination->MaximumLength - 1u;
        status = STATUS_BUFFER_OVERFLOW;
    }
    RtlUnicodeToMultiByteN(destination->Buffer, nbytes, &nbytes, source->Buffer, source->Length);
    destination->Buffer[nbytes] = 0;
    destination->Length = (USHORT)nbytes;
    return status;
}

NTSTATUS NTAPI RtlUnicodeStringToOemString(POEM_STRING destination, PCUNICODE_STRING source,
                                           BOOLEAN allocate)
{
    return RtlUnicodeStringToAnsiString(destination, source, allocate);
}

/* Takes a number of BASE (0: by its prefix) from characters; *COUNT: of them all. */
static ULONG parse_number(ULONG base, WCHAR (*at)(const void *, ULONG), const void *text,
                          ULONG count)
{
    ULONG value = 0;
    ULONG i = 0;
    bool negative = false;

    while (i < count && at(text, i) <= ' ') {
        i++;
    }
    if (i < count && (at(text, i) == '-' || at(text, i) == '+')) {
        negative = at(text, i++) == '-';
    }
    if (base == 0) {
        base = 10;
        if (i + 1 < count && at(text, i) == '0') {
            WCHAR mark = at(text, i + 1);
            base = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 10;
            i += base == 10 ? 0 : 2;
        }
    }
    for (; i < count; i++) {
        WCHAR c = at(text, i);
        ULONG digit = c >= '0' && c <= '9'   ? c - '0' + 0u
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10u
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10u
                                             : 99;
        if (digit >= base) {
            break;
        }
        value = value * base + digit;
    }
    return negative ? 0 - value : value;
}

static WCHAR narrow_at(const void *text, ULONG index)
{
    return ((const uint8_t *)text)[index];
}

static WCHAR wide_at(const void *text, ULONG index)
{
    return ((const WCHAR *)text)[index];
}

static bool is_base(ULONG base)
{
    return base == 0 || base == 2 || base == 8 || base == 10 || base == 16;
}

NTSTATUS NTAPI RtlCharToInteger(PCSZ string, ULONG base, PULONG value)
{
    if (!is_base(base)) {
        return STATUS_INVALID_PARAMETER;
    }
    *value = parse_number(base, narrow_at, string, (ULONG)strlen(string));
    return STATUS_SUCCESS;
}

NTSTATUS NTAPI RtlUnicodeStringToInteger(const UNICODE_STRING *string, ULONG base, ULONG *value)
{
    if (!is_base(base)) {
        return STATUS_INVALID_PARAMETER;
    }
    *value = parse_number(base, wide_at, string->Buffer, string->Length / sizeof(WCHAR));
    return STATUS_SUCCESS;
}

NTSTATUS NTAPI RtlIntegerToUnicodeString(ULONG value, ULONG base, UNICODE_STRING *string)
{
    WCHAR digits[33];
    unsigned at = 32;

    if (!is_base(base)) {
        return STATUS_INVALID_PARAMETER;
    }
    base = base ? base : 10;
    digits[at] = 0;
    do {
        digits[--at] = L"0123456789ABCDEF"[value % base];
        value /= base;
    } while (value);
    if ((33 - at) * sizeof(WCHAR) > string->MaximumLength) {
        return STATUS_BUFFER_OVERFLOW;
    }
    memcpy(string->Buffer, digits + at, (33 - at) * sizeof(WCHAR));
    string->Length = (USHORT)((32 - at) * sizeof(WCHAR));
    return STATUS_SUCCESS;
}
