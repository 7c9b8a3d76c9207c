/*
 * boot/command_line.c: the words of the kernel's command line.
 *
 * Words are separated by blanks. The word "--" ends them; what follows it is the command line of
 * the first program and is passed on unchanged.
 */
#include "kernel/boot.h"

#include "kernel/string.h"

/*
 * The word at or after *CURSOR, which then stands behind it.
 * => its length; 0: no more words (the end, or "--"). *WORD is where it begins.
 */
static size_t next_word(const char **cursor, const char **word)
{
    const char *p = *cursor;
    while (*p == ' ') {
        p++;
    }
    *word = p;
    while (*p != 0 && *p != ' ') {
        p++;
    }
    *cursor = p;
    size_t n = (size_t)(p - *word);
    return n == 2 && (*word)[0] == '-' && (*word)[1] == '-' ? 0 : n;
}

bool boot_option(const char *name, char *value, size_t nbytes)
{
    size_t name_length = strlen(name);
    const char *cursor = boot_info.command_line;
    const char *word;
    size_t n;
    while ((n = next_word(&cursor, &word)) != 0) {
        if (n <= name_length || word[name_length] != '=' || strncmp(word, name, name_length) != 0) {
            continue;
        }
        size_t length = n - name_length - 1;
        if (length >= nbytes) {
            length = nbytes - 1;
        }
        memcpy(value, word + name_length + 1, length);
        value[length] = 0;
        return true;
    }
    return false;
}

bool boot_flag(const char *name)
{
    size_t name_length = strlen(name);
    const char *cursor = boot_info.command_line;
    const char *word;
    size_t n;
    while ((n = next_word(&cursor, &word)) != 0) {
        if (n == name_length && strncmp(word, name, n) == 0) {
            return true;
        }
    }
    return false;
}

/* The number at *CURSOR, decimal or hexadecimal after "0x"; *CURSOR then stands behind it. */
static bool next_number(const char **cursor, uint64_t *number)
{
    const char *p = *cursor;
    uint32_t base = p[0] == '0' && p[1] == 'x' ? 16 : 10;
    const char *first = p += base == 16 ? 2 : 0;
    for (*number = 0;; p++) {
        uint32_t small = (uint32_t)(uint8_t)*p | 0x20u;
        uint32_t digit = *p >= '0' && *p <= '9'         ? (uint32_t)(*p - '0')
                         : small >= 'a' && small <= 'f' ? small - 'a' + 10
                                                        : base;
        if (digit >= base || *number >> 48 != 0) {
            break;
        }
        *number = *number * base + digit;
    }
    *cursor = p;
    return p != first;
}

bool boot_parse_ranges(const char *text, struct memory_range *ranges, uint32_t max, uint32_t *count)
{
    const char *p = text;
    for (*count = 0; *count < max; p++) {
        uint64_t first;
        uint64_t nbytes;
        if (!next_number(&p, &first) || *p++ != '+' || !next_number(&p, &nbytes)) {
            return false;
        }
        ranges[(*count)++] = (struct memory_range){first, first + nbytes};
        if (*p != ',') {
            return *p == 0;
        }
    }
    return false;
}

const char *boot_rest(void)
{
    const char *cursor = boot_info.command_line;
    const char *word;
    while (next_word(&cursor, &word) != 0) {
    }
    if (word[0] != '-') {
        return NULL;
    }
    return *cursor == ' ' ? cursor + 1 : cursor;
}
