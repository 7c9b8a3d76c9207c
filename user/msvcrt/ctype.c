/*
 * user/msvcrt/ctype.c: kinds of characters, in the "C" locale.
 *
 * The table has the bits of <ctype.h> and is exported (_ctype, _pctype), as programs read it
 * directly. The entry before the first is EOF's.
 */
#include "user/msvcrt/msvcrt.h"

#include <ctype.h>
#include <wctype.h>

#undef isalpha
#undef isupper
#undef _pctype
#undef _pwctype
#undef __mb_cur_max

/* By character + 1. */
const unsigned short crt_ctype[257] = {
    [1 + 0 ... 1 + 8] = _CONTROL,          [1 + '\t' ... 1 + '\r'] = _SPACE | _CONTROL,
    [1 + 14 ... 1 + 31] = _CONTROL,        [1 + ' '] = _SPACE | _BLANK,
    [1 + '!' ... 1 + '/'] = _PUNCT,        [1 + '0' ... 1 + '9'] = _DIGIT | _HEX,
    [1 + ':' ... 1 + '@'] = _PUNCT,        [1 + 'A' ... 1 + 'F'] = _UPPER | _HEX,
    [1 + 'G' ... 1 + 'Z'] = _UPPER,        [1 + '[' ... 1 + '`'] = _PUNCT,
    [1 + 'a' ... 1 + 'f'] = _LOWER | _HEX, [1 + 'g' ... 1 + 'z'] = _LOWER,
    [1 + '{' ... 1 + '~'] = _PUNCT,        [1 + 127] = _CONTROL,
};

const unsigned short *crt_pctype = crt_ctype + 1;
const unsigned short *crt_pwctype = crt_ctype + 1;
int crt_mb_cur_max = 1;

static int kind(int c, int mask)
{
    return c >= -1 && c < 256 ? crt_ctype[c + 1] & mask : 0;
}

int _isctype(int c, int mask)
{
    return kind(c, mask);
}

#define BYTE_TEST(name, mask)                                                                      \
    int(name)(int c)                                                                               \
    {                                                                                              \
        return kind(c, mask);                                                                      \
    }
#define WIDE_TEST(name, mask)                                                                      \
    int(name)(wint_t c)                                                                            \
    {                                                                                              \
        return kind(c == WEOF ? -1 : c, mask);                                                     \
    }
BYTE_TEST(isalpha, _UPPER | _LOWER)
BYTE_TEST(isupper, _UPPER)
BYTE_TEST(islower, _LOWER)
BYTE_TEST(isdigit, _DIGIT)
BYTE_TEST(isxdigit, _HEX)
BYTE_TEST(isspace, _SPACE)
BYTE_TEST(ispunct, _PUNCT)
BYTE_TEST(isalnum, _UPPER | _LOWER | _DIGIT)
BYTE_TEST(isprint, _BLANK | _PUNCT | _UPPER | _LOWER | _DIGIT)
BYTE_TEST(isgraph, _PUNCT | _UPPER | _LOWER | _DIGIT)
BYTE_TEST(iscntrl, _CONTROL)
WIDE_TEST(iswalpha, _UPPER | _LOWER)
WIDE_TEST(iswupper, _UPPER)
WIDE_TEST(iswlower, _LOWER)
WIDE_TEST(iswdigit, _DIGIT)
WIDE_TEST(iswxdigit, _HEX)
WIDE_TEST(iswspace, _SPACE)
WIDE_TEST(iswpunct, _PUNCT)
WIDE_TEST(iswalnum, _UPPER | _LOWER | _DIGIT)
WIDE_TEST(iswprint, _BLANK | _PUNCT | _UPPER | _LOWER | _DIGIT)
WIDE_TEST(iswgraph, _PUNCT | _UPPER | _LOWER | _DIGIT)
WIDE_TEST(iswcntrl, _CONTROL)

int(iswctype)(wint_t c, wctype_t mask)
{
    return kind(c == WEOF ? -1 : c, mask);
}

int(iswascii)(wint_t c)
{
    return c < 0x80;
}

int(__isascii)(int c)
{
    return (unsigned)c < 0x80;
}

int(__toascii)(int c)
{
    return c & 0x7F;
}

int(__iscsym)(int c)
{
    return isalnum(c) || c == '_';
}

int(__iscsymf)(int c)
{
    return isalpha(c) || c == '_';
}

int(isleadbyte)(int c)
{
    (void)c;
    return 0;
}

int tolower(int c)
{
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

int toupper(int c)
{
    return c >= 'a' && c <= 'z' ? c - 32 : c;
}

int(_tolower)(int c)
{
    return c + 32;
}

int(_toupper)(int c)
{
    return c - 32;
}

wint_t towlower(wint_t c)
{
    return c >= 'A' && c <= 'Z' ? (wint_t)(c + 32) : c;
}

wint_t towupper(wint_t c)
{
    return c >= 'a' && c <= 'z' ? (wint_t)(c - 32) : c;
}

const unsigned short **__p__pctype(void)
{
    return &crt_pctype;
}

const unsigned short **__p__pwctype(void)
{
    return &crt_pwctype;
}

int *__p___mb_cur_max(void)
{
    return &crt_mb_cur_max;
}

int(___mb_cur_max_func)(void)
{
    return crt_mb_cur_max;
}

unsigned int ___lc_codepage_func(void)
{
    return 0; /* the "C" locale has no code page */
}
