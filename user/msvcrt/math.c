/*
 * user/msvcrt/math.c: the mathematics that programs import and libmingwex does not have, by x87;
 * and the control of the floating-point unit.
 *
 * sin, cos, exp, pow and the rest come out of libmingwex (imported_mathematics below keeps them in
 * the DLL).
 */
#include "user/msvcrt/msvcrt.h"

#include <float.h>
#include <math.h>

#undef _controlfp
#undef _finite

double acos(double x)
{
    long double y = x;
    if (!(x >= -1 && x <= 1)) {
        errno = x == x ? EDOM : errno;
        return x == x ? NAN : x;
    }
    __asm__("fld %%st(0); fmul %%st(1), %%st; fld1; fsubp; fsqrt; fxch; fpatan" : "+t"(y));
    return (double)y;
}

double asin(double x)
{
    long double y = x;
    if (!(x >= -1 && x <= 1)) {
        errno = x == x ? EDOM : errno;
        return x == x ? NAN : x;
    }
    __asm__("fld %%st(0); fmul %%st(1), %%st; fld1; fsubp; fsqrt; fpatan" : "+t"(y));
    return (double)y;
}

double atan(double x)
{
    long double y = x;
    __asm__("fld1; fpatan" : "+t"(y));
    return (double)y;
}

double log10(double x)
{
    long double y = x;
    if (x < 0) {
        errno = EDOM;
        return NAN;
    }
    if (x == 0) {
        errno = ERANGE;
        return -HUGE_VAL;
    }
    __asm__("fldlg2; fxch; fyl2x" : "+t"(y));
    return (double)y;
}

/* Beyond 2^62 FPTAN takes no argument; FPREM1 by pi reduces it first. */
double tan(double x)
{
    long double y = x;
    if (!(x - x == 0)) {
        errno = x == x ? EDOM : errno;
        return NAN;
    }
    if (x > 0x1p62 || x < -0x1p62) {
        __asm__("fldpi; fxch; 1: fprem1; fnstsw %%ax; sahf; jp 1b; fstp %%st(1)"
                : "+t"(y)
                :
                : "ax", "cc");
    }
    __asm__("fptan; fstp %%st(0)" : "+t"(y));
    return (double)y;
}

/* e^x - 1 for small x keeps the digits that e^x - e^-x would lose. */
double sinh(double x)
{
    if (x > -0.5 && x < 0.5) {
        double m = expm1(x);
        return (m + m / (m + 1)) / 2;
    }
    if (x > 700 || x < -700) {
        double half = exp((x < 0 ? -x : x) / 2);
        double y = half / 2 * half;
        if (y > DBL_MAX) {
            errno = ERANGE;
        }
        return x < 0 ? -y : y;
    }
    double e = exp(x);
    return (e - 1 / e) / 2;
}

double cosh(double x)
{
    x = x < 0 ? -x : x;
    if (x > 700) {
        double half = exp(x / 2);
        double y = half / 2 * half;
        if (y > DBL_MAX) {
            errno = ERANGE;
        }
        return y;
    }
    double e = exp(x);
    return (e + 1 / e) / 2;
}

double tanh(double x)
{
    if (x > 22 || x < -22) {
        return x < 0 ? -1 : 1;
    }
    double m = expm1(2 * x);
    return m / (m + 2);
}

double frexp(double x, int *exponent)
{
    union {
        double value;
        unsigned __int64 bits;
    } u = {x};
    int e = (int)(u.bits >> 52 & 0x7FF);
    *exponent = 0;
    if (e == 0x7FF || x == 0) {
        return x;
    }
    if (!e) {
        u.value = x * 0x1p54;
        e = (int)(u.bits >> 52 & 0x7FF) - 54;
    }
    *exponent = e - 1022;
    u.bits = (u.bits & ~(0x7FFull << 52)) | 1022ull << 52;
    return u.value;
}

int crt_finite(double x)
{
    return x - x == 0;
}

int crt_isnan(double x)
{
    return x != x;
}

double crt_copysign(double x, double sign)
{
    return copysign(x, sign);
}

double crt_chgsign(double x)
{
    return -x;
}

double crt_scalb(double x, long exponent)
{
    return ldexp(x, (int)exponent);
}

double crt_logb(double x)
{
    return logb(x);
}

double crt_nextafter(double x, double y)
{
    union {
        double value;
        __int64 bits;
    } u = {x};
    if (x != x || y != y) {
        return x + y;
    }
    if (x == y) {
        return y;
    }
    if (x == 0) {
        u.bits = 1;
        return y > 0 ? u.value : -u.value;
    }
    u.bits += (x < y) == (x > 0) ? 1 : -1;
    return u.value;
}

double crt_hypot(double x, double y)
{
    long double a = x, b = y;
    return (double)sqrtl(a * a + b * b);
}

int crt_fpclass(double x)
{
    union {
        double value;
        unsigned __int64 bits;
    } u = {x};
    int negative = u.bits >> 63 != 0, e = (int)(u.bits >> 52 & 0x7FF);
    unsigned __int64 fraction = u.bits & 0xFFFFFFFFFFFFFull;
    if (e == 0x7FF) {
        if (fraction) {
            return fraction >> 51 ? _FPCLASS_QNAN : _FPCLASS_SNAN;
        }
        return negative ? _FPCLASS_NINF : _FPCLASS_PINF;
    }
    if (!e) {
        if (!fraction) {
            return negative ? _FPCLASS_NZ : _FPCLASS_PZ;
        }
        return negative ? _FPCLASS_ND : _FPCLASS_PD;
    }
    return negative ? _FPCLASS_NN : _FPCLASS_PN;
}

/* 53 bits of precision, as Microsoft's library starts with: _fpreset gives 64 under mingw. */
#define INITIAL_CONTROL 0x27F

void crt_fpreset(void)
{
    unsigned short control = INITIAL_CONTROL;
    __asm__ volatile("fninit; fldcw %0" : : "m"(control));
}

static unsigned abstract_control(unsigned x)
{
    unsigned a = 0;
    a |= x & 0x01 ? _EM_INVALID : 0;
    a |= x & 0x02 ? _EM_DENORMAL : 0;
    a |= x & 0x04 ? _EM_ZERODIVIDE : 0;
    a |= x & 0x08 ? _EM_OVERFLOW : 0;
    a |= x & 0x10 ? _EM_UNDERFLOW : 0;
    a |= x & 0x20 ? _EM_INEXACT : 0;
    a |= (x & 0x300) == 0 ? _PC_24 : (x & 0x300) == 0x200 ? _PC_53 : _PC_64;
    a |= (x >> 10 & 3) << 8;
    a |= x & 0x1000 ? _IC_AFFINE : _IC_PROJECTIVE;
    return a;
}

static unsigned short concrete_control(unsigned a)
{
    unsigned x = 0;
    x |= a & _EM_INVALID ? 0x01u : 0;
    x |= a & _EM_DENORMAL ? 0x02u : 0;
    x |= a & _EM_ZERODIVIDE ? 0x04u : 0;
    x |= a & _EM_OVERFLOW ? 0x08u : 0;
    x |= a & _EM_UNDERFLOW ? 0x10u : 0;
    x |= a & _EM_INEXACT ? 0x20u : 0;
    x |= (a & _MCW_PC) == _PC_24 ? 0 : (a & _MCW_PC) == _PC_53 ? 0x200u : 0x300u;
    x |= (a >> 8 & 3) << 10;
    x |= a & _IC_AFFINE ? 0x1000u : 0;
    return (unsigned short)(x | 0x40);
}

unsigned crt_control87(unsigned value, unsigned mask)
{
    unsigned short control;
    __asm__ volatile("fnstcw %0" : "=m"(control));
    unsigned current = abstract_control(control);
    if (mask) {
        current = (current & ~mask) | (value & mask);
        control = concrete_control(current);
        __asm__ volatile("fldcw %0" : : "m"(control));
    }
    return current;
}

unsigned crt_controlfp(unsigned value, unsigned mask)
{
    return crt_control87(value, mask & ~(unsigned)_EM_DENORMAL);
}

static unsigned abstract_status(unsigned x)
{
    return (x & 0x01 ? _EM_INVALID : 0) | (x & 0x02 ? _EM_DENORMAL : 0) |
           (x & 0x04 ? _EM_ZERODIVIDE : 0) | (x & 0x08 ? _EM_OVERFLOW : 0) |
           (x & 0x10 ? _EM_UNDERFLOW : 0) | (x & 0x20 ? _EM_INEXACT : 0);
}

unsigned crt_statusfp(void)
{
    unsigned short status;
    __asm__ volatile("fnstsw %0" : "=m"(status));
    return abstract_status(status);
}

unsigned crt_clearfp(void)
{
    unsigned status = crt_statusfp();
    __asm__ volatile("fnclex");
    return status;
}

/* What old compilers call: the argument on the x87 stack. */
__int64 crt_ftol(void);
__asm__(".globl _crt_ftol\n"
        "_crt_ftol:\n"
        "    subl $12, %esp\n"
        "    fnstcw (%esp)\n"
        "    movw (%esp), %ax\n"
        "    orw $0x0C00, %ax\n"
        "    movw %ax, 2(%esp)\n"
        "    fldcw 2(%esp)\n"
        "    fistpll 4(%esp)\n"
        "    fldcw (%esp)\n"
        "    movl 4(%esp), %eax\n"
        "    movl 8(%esp), %edx\n"
        "    addl $12, %esp\n"
        "    ret");

double crt_atan2(double y, double x)
{
    return atan2(y, x);
}

double crt_fabs(double x)
{
    return fabs(x);
}

/* The functions of libmingwex that msvcrt.def exports: this table makes the linker take them. */
typedef void(__cdecl *function)(void);
__attribute__((used)) static const function imported_mathematics[] = {
    (function)ceil, (function)cos,  (function)exp, (function)floor, (function)fmod, (function)ldexp,
    (function)log,  (function)modf, (function)pow, (function)sin,   (function)sqrt,
};

/* What __setusermatherr was given, and how libmingwex's functions tell it of an error. */
static int(__cdecl *error_handler)(struct _exception *);

void crt_setusermatherr(int(__cdecl *handler)(struct _exception *))
{
    error_handler = handler;
}

void __mingw_raise_matherr(int type, const char *name, double a, double b, double result);
void __mingw_raise_matherr(int type, const char *name, double a, double b, double result)
{
    struct _exception what = {type, (char *)name, a, b, result};
    if (error_handler) {
        error_handler(&what);
    }
}
