/*
 * include/quire/annotate.h: what the compiler is told about functions: results that must be
 * looked at, and the locks that a function needs, takes or gives back (checked by clang's
 * -Wthread-safety in `make check-style`; nothing in other compilers).
 */
#ifndef QUIRE_ANNOTATE_H
#define QUIRE_ANNOTATE_H

#define MUST_CHECK      __attribute__((warn_unused_result))
#define NOINLINE        __attribute__((noinline))
#define NORETURN        __attribute__((noreturn))
#define PRINTF(fmt, va) __attribute__((format(printf, fmt, va)))
#define ALIGNED(n)      __attribute__((aligned(n)))
#define PACKED          __attribute__((packed))

#if defined(__clang__)
#define CAPABILITY(name) __attribute__((capability(name)))
#define REQUIRES(...)    __attribute__((requires_capability(__VA_ARGS__)))
#define ACQUIRES(...)    __attribute__((acquire_capability(__VA_ARGS__)))
#define RELEASES(...)    __attribute__((release_capability(__VA_ARGS__)))
#define EXCLUDES(...)    __attribute__((locks_excluded(__VA_ARGS__)))
#define UNCHECKED_LOCKS  __attribute__((no_thread_safety_analysis))
#else
#define CAPABILITY(name)
#define REQUIRES(...)
#define ACQUIRES(...)
#define RELEASES(...)
#define EXCLUDES(...)
#define UNCHECKED_LOCKS
#endif

#endif
