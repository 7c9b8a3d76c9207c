/*
 * tests/user/crtfile.c: files written with the C library: descriptors, streams, text and binary,
 * buffers, names, times, temporary files.
 */
#include "work.h"

#include <direct.h>
#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <share.h>
#include <sys/locking.h>
#include <sys/stat.h>
#include <sys/utime.h>
#include <time.h>
#include <wchar.h>

/* The bytes of a file, as they are on the disk; *LENGTH of them. */
static const char *bytes_of(const char *name, DWORD *length)
{
    static char bytes[65536];
    HANDLE file = reopen(name, READ);

    *length = get(file, 0, bytes, sizeof bytes - 1);
    bytes[*length] = '\0';
    CloseHandle(file);
    return bytes;
}

/* Whether a file has just these bytes. */
static BOOL file_is(const char *name, const char *bytes, DWORD length)
{
    DWORD have;
    const char *found = bytes_of(name, &have);

    return have == length && memcmp(found, bytes, length) == 0;
}

#define IS(name, text) file_is(name, text, sizeof(text) - 1)

/* A call that must give -1 and set this errno. */
#define CRT_FAILS(expression, error) (errno = 0, (expression) == -1 && errno == (error))

static void test_open(void)
{
    int fd = _open("new", _O_RDWR | _O_CREAT | _O_EXCL | _O_BINARY, _S_IREAD | _S_IWRITE);
    char text[8] = "";

    ok(fd >= 3 && _write(fd, "abcdef", 6) == 6, "_open with _O_CREAT: a new file");
    ok(_lseek(fd, 2, SEEK_SET) == 2 && _read(fd, text, 2) == 2 && memcmp(text, "cd", 2) == 0 &&
           _tell(fd) == 4 && _filelength(fd) == 6 && !_eof(fd),
       "_lseek, _read, _tell, _filelength, _eof");
    ok(_close(fd) == 0, "_close");
    ok(CRT_FAILS(_close(fd), EBADF) && CRT_FAILS(_write(fd, "x", 1), EBADF), "a closed descriptor");
    ok(CRT_FAILS(_open("new", _O_RDWR | _O_CREAT | _O_EXCL, _S_IWRITE), EEXIST),
       "_O_EXCL of a file that exists: EEXIST");
    ok(CRT_FAILS(_open("none", _O_RDWR), ENOENT) &&
           CRT_FAILS(_open("no\\way", _O_CREAT, 0), ENOENT),
       "what is not there: ENOENT");
    fd = _open("new", _O_WRONLY | _O_APPEND | _O_BINARY);
    ok(_write(fd, "gh", 2) == 2 && _lseek(fd, 0, SEEK_SET) == 0 && _write(fd, "ij", 2) == 2,
       "_O_APPEND");
    errno = 0;
    ok(_read(fd, text, 1) == -1 && errno == EBADF, "_read from _O_WRONLY: EBADF");
    _close(fd);
    ok(IS("new", "abcdefghij"), "_O_APPEND writes at the end, wherever the position is");
    fd = _open("new", _O_RDONLY);
    errno = 0;
    ok(_write(fd, "x", 1) == -1 && errno == EBADF, "_write to _O_RDONLY: EBADF");
    _close(fd);
    fd = _open("new", _O_WRONLY | _O_TRUNC | _O_BINARY);
    ok(fd >= 0 && _filelength(fd) == 0 && _write(fd, "k", 1) == 1, "_O_TRUNC");
    _close(fd);
    ok(IS("new", "k"), "what was there is gone");
    fd = _creat("created", _S_IREAD | _S_IWRITE);
    ok(fd >= 0 && _close(fd) == 0 && size_of_name("created") == 0, "_creat");
    fd = _wopen(L"wide", _O_RDWR | _O_CREAT, _S_IWRITE);
    ok(fd >= 0 && _close(fd) == 0 && exists("wide"), "_wopen");
    fd = _sopen("new", _O_RDWR, _SH_DENYRW);
    ok(fd >= 0 && CRT_FAILS(_open("new", _O_RDONLY), EACCES), "_sopen with _SH_DENYRW");
    _close(fd);
    fd = _open("temporary", _O_RDWR | _O_CREAT | _O_TEMPORARY, _S_IWRITE);
    ok(fd >= 0 && exists("temporary") && _close(fd) == 0 && !exists("temporary"),
       "_O_TEMPORARY: gone when it is closed");
    fd = _open("locked", _O_RDWR | _O_CREAT, _S_IREAD);
    ok(_write(fd, "x", 1) == 1 && _close(fd) == 0 &&
           (GetFileAttributesA("locked") & FILE_ATTRIBUTE_READONLY) &&
           CRT_FAILS(_access("locked", 2), EACCES) && _access("locked", 4) == 0,
       "without _S_IWRITE: read-only");
    ok(_chmod("locked", _S_IREAD | _S_IWRITE) == 0 && _access("locked", 2) == 0 &&
           _unlink("locked") == 0,
       "_chmod");
    _unlink("created");
    _unlink("wide");
    _unlink("new");
}

static void test_sizes(void)
{
    int fd = _open("size", _O_RDWR | _O_CREAT | _O_BINARY, _S_IWRITE);
    struct _stat64 status;
    struct _stati64 other;
    __int64 distant = 0x100000010ll;

    _write(fd, "0123456789", 10);
    ok(_chsize(fd, 4) == 0 && _filelength(fd) == 4 && _tell(fd) == 10, "_chsize: shorter");
    ok(_chsize(fd, 1000) == 0 && _filelengthi64(fd) == 1000, "_chsize: longer");
    ok(_lseeki64(fd, distant, SEEK_SET) == distant && _telli64(fd) == distant,
       "_lseeki64 past 4 GiB");
    ok(_fstat64(fd, &status) == 0 && status.st_size == 1000 &&
           (status.st_mode & _S_IFMT) == _S_IFREG,
       "_fstat64");
    ok(_commit(fd) == 0, "_commit");
    _close(fd);
    ok(IS("size", "0123") == 0 && _stati64("size", &other) == 0 && other.st_size == 1000 &&
           (other.st_mode & _S_IWRITE),
       "_stati64");
    ok(_stat64("size", &status) == 0 && time(NULL) - status.st_mtime < 60 &&
           time(NULL) - status.st_mtime > -60,
       "its time is now");
    ok(CRT_FAILS(_stat64("none", &status), ENOENT), "_stat64 of nothing");
    _unlink("size");
}

static void test_text(void)
{
    FILE *file = fopen("text", "w");
    char line[64] = "";
    int fd;

    ok(file != NULL && fputs("one\ntwo\r\n\n", file) >= 0 && fclose(file) == 0, "fopen \"w\"");
    ok(IS("text", "one\r\ntwo\r\r\n\r\n"), "text: a line end becomes CR LF");
    file = fopen("text", "r");
    ok(fgets(line, sizeof line, file) && strcmp(line, "one\n") == 0 &&
           fgets(line, sizeof line, file) && strcmp(line, "two\r\n") == 0,
       "and is read back as one character");
    ok(ftell(file) == 11, "ftell tells the place in the file");
    fclose(file);
    file = fopen("text", "wb");
    fputs("one\ntwo\n", file);
    fclose(file);
    ok(IS("text", "one\ntwo\n"), "binary: as it is");
    fd = _open("text", _O_RDWR | _O_TRUNC | _O_TEXT);
    ok(_write(fd, "a\nb\n", 4) == 4 && _filelength(fd) == 6,
       "_write in text mode tells its own bytes");
    ok(_setmode(fd, _O_BINARY) == _O_TEXT && _write(fd, "c\n", 2) == 2, "_setmode");
    _close(fd);
    ok(IS("text", "a\r\nb\r\nc\n"), "and from then on binary");
    file = fopen("text", "wb");
    fputs("before\x1A"
          "after",
          file);
    fclose(file);
    file = fopen("text", "r");
    ok(fgets(line, sizeof line, file) && strcmp(line, "before") == 0 && fgetc(file) == EOF &&
           feof(file),
       "text: Ctrl+Z ends reading");
    fclose(file);
    file = fopen("text", "rb");
    ok(fread(line, 1, sizeof line, file) == 12, "binary: it does not");
    fclose(file);
    file = fopen("text", "wb");
    fputs("kept\x1A", file);
    fclose(file);
    file = fopen("text", "a+");
    fputs("more", file);
    fclose(file);
    unlike_wine(IS("text", "keptmore"), "text: a Ctrl+Z at the end goes when more is appended");
    _unlink("text");
}

static void test_modes(void)
{
    FILE *file;
    char text[32] = "";

    file = fopen("modes", "wb");
    fwrite("0123456789", 1, 10, file);
    fclose(file);
    file = fopen("modes", "r+b");
    ok(file != NULL && fread(text, 1, 4, file) == 4 && fseek(file, 0, SEEK_CUR) == 0 &&
           fwrite("XY", 1, 2, file) == 2 && fseek(file, 2, SEEK_SET) == 0 &&
           fread(text, 1, 8, file) == 8 && memcmp(text, "23XY6789", 8) == 0,
       "\"r+\": read, write, read again");
    fclose(file);
    ok(IS("modes", "0123XY6789"), "it is in the file");
    file = fopen("modes", "ab");
    ok(fseek(file, 0, SEEK_SET) == 0 && fputs("end", file) >= 0 && fclose(file) == 0 &&
           IS("modes", "0123XY6789end"),
       "\"a\" writes at the end");
    file = fopen("modes", "a+b");
    ok(fread(text, 1, 4, file) == 4 && memcmp(text, "0123", 4) == 0,
       "\"a+\" reads from the beginning");
    fseek(file, 0, SEEK_END);
    fputs("!", file);
    fclose(file);
    ok(IS("modes", "0123XY6789end!"), "and writes at the end");
    file = fopen("modes", "w+b");
    ok(fputs("fresh", file) >= 0 && fseek(file, 0, SEEK_SET) == 0 && fgetc(file) == 'f',
       "\"w+\": what was there is gone");
    fclose(file);
    errno = 0;
    ok(fopen("none", "r") == NULL && errno == ENOENT && fopen("none", "r+") == NULL,
       "\"r\" of nothing: ENOENT");
    file = fopen("modes", "wbc");
    ok(fputs("durable", file) >= 0 && fflush(file) == 0 && IS("modes", "durable"),
       "\"c\": fflush writes through to the device");
    fclose(file);
    file = freopen("modes", "rb", fopen("other", "wb"));
    ok(file != NULL && fgetc(file) == 'd' && size_of_name("other") == 0, "freopen");
    fclose(file);
    file = fopen("modes", "rb");
    ok(fputc('x', file) == EOF && ferror(file), "writing to what is read only");
    clearerr(file);
    ok(!ferror(file) && fclose(file) == 0, "clearerr");
    remove("modes");
    remove("other");
}

static void test_buffers(void)
{
    static char buffer[100];
    FILE *file = fopen("buffer", "wb");
    int right = 1;

    fputs("waiting", file);
    ok(size_of_name("buffer") == 0, "what is written waits in the buffer");
    ok(fflush(file) == 0 && size_of_name("buffer") == 7, "fflush writes it");
    fputs("more", file);
    ok(fseek(file, 0, SEEK_SET) == 0 && size_of_name("buffer") == 11, "fseek does too");
    fclose(file);
    file = fopen("buffer", "wb");
    ok(setvbuf(file, NULL, _IONBF, 0) == 0 && fputc('a', file) == 'a' &&
           size_of_name("buffer") == 1,
       "setvbuf _IONBF: at once");
    fclose(file);
    file = fopen("buffer", "wb");
    ok(setvbuf(file, buffer, _IOFBF, sizeof buffer) == 0, "setvbuf with a buffer of 100");
    for (int i = 0; i < 99; i++) {
        fputc('b', file);
    }
    ok(size_of_name("buffer") == 0 && fwrite("cc", 1, 2, file) == 2 &&
           size_of_name("buffer") >= 100,
       "it is written when it is full");
    fclose(file);
    file = fopen("buffer", "w+b");
    for (int i = 0; i < 20000; i++) {
        right = fprintf(file, "%05d\n", i) == 6 && right;
    }
    rewind(file);
    for (int i = 0; i < 20000 && right; i++) {
        int number = -1;

        right = fscanf(file, "%d", &number) == 1 && number == i;
    }
    ok(right && ftell(file) == 119999, "120 000 bytes, printed and scanned");
    ok(fclose(file) == 0 && size_of_name("buffer") == 120000, "fclose writes the rest");
    file = fopen("buffer", "wb");
    fputs("0123456789", file);
    fclose(file);
    file = fopen("buffer", "rb");
    ok(fgetc(file) == '0' && fflush(file) == 0 && fgetc(file) == EOF,
       "fflush drops what was read ahead");
    fclose(file);
    file = fopen("buffer", "wb");
    fputs("kept", file);
    ok(_flushall() >= 1 && size_of_name("buffer") == 4, "_flushall");
    fclose(file);
    remove("buffer");
}

static void test_names(void)
{
    char name[L_tmpnam + 20], path[_MAX_PATH], drive[_MAX_DRIVE], directory[_MAX_DIR];
    char base[_MAX_FNAME], extension[_MAX_EXT], pattern[] = "fnXXXXXX", *made;
    FILE *file;

    make("a", 1);
    make("b", 2);
    ok(CRT_FAILS(rename("a", "b"), EEXIST) && rename("a", "c") == 0 && exists("c"), "rename");
    ok(CRT_FAILS(rename("none", "d"), ENOENT), "rename of nothing");
    ok(remove("c") == 0 && CRT_FAILS(remove("c"), ENOENT) && _unlink("b") == 0, "remove, _unlink");
    ok(_mkdir("dir") == 0 && CRT_FAILS(_mkdir("dir"), EEXIST), "_mkdir");
    ok(CRT_FAILS(_unlink("dir"), EACCES) && _chdir("dir") == 0 && _chdir("..") == 0, "_chdir");
    make("dir\\x", 1);
    ok(CRT_FAILS(_rmdir("dir"), ENOTEMPTY) && remove("dir\\x") == 0 && _rmdir("dir") == 0,
       "_rmdir");
    ok(_getcwd(path, sizeof path) == path && _stricmp(path, work_directory) == 0, "_getcwd");
    ok(_fullpath(path, "x", sizeof path) == path && strlen(path) == strlen(work_directory) + 2,
       "_fullpath");
    _splitpath("C:\\some\\where\\file.name.ext", drive, directory, base, extension);
    ok(strcmp(drive, "C:") == 0 && strcmp(directory, "\\some\\where\\") == 0 &&
           strcmp(base, "file.name") == 0 && strcmp(extension, ".ext") == 0,
       "_splitpath");
    _makepath(path, "C", "\\some\\where", "file", "ext");
    ok(strcmp(path, "C:\\some\\where\\file.ext") == 0, "_makepath");

    ok(tmpnam(name) == name && !exists(name), "tmpnam: a name that is free");
    made = _tempnam(".", "pre");
    ok(made != NULL && strstr(made, "pre") != NULL && !exists(made), "_tempnam");
    free(made);
    ok(_mktemp(pattern) == pattern && strncmp(pattern, "fn", 2) == 0 && !exists(pattern) &&
           strchr(pattern, 'X') == NULL,
       "_mktemp");
    file = tmpfile();
    ok(file != NULL && fputs("temporary\n", file) >= 0 && (rewind(file), fgetc(file)) == 't' &&
           fclose(file) == 0,
       "tmpfile");
}

static void test_times(void)
{
    struct __utimbuf64 times = {.actime = 1000000000, .modtime = 1234567890};
    struct _stat64 status;
    int fd;

    make("times", 1);
    ok(_utime64("times", &times) == 0 && _stat64("times", &status) == 0 &&
           status.st_mtime == 1234567890,
       "_utime64");
    fd = _open("times", _O_RDWR);
    times.modtime = 1111111111;
    ok(_futime64(fd, &times) == 0 && _fstat64(fd, &status) == 0 && status.st_mtime == 1111111111,
       "_futime64");
    _close(fd);
    ok(_utime64("times", NULL) == 0 && _stat64("times", &status) == 0 &&
           status.st_mtime > 1400000000,
       "without times: now");
    ok(CRT_FAILS(_utime64("none", &times), ENOENT), "of nothing");
    remove("times");
}

static void test_locking(void)
{
    int one = _open("locking", _O_RDWR | _O_CREAT, _S_IWRITE), two = _open("locking", _O_RDWR);

    ok(_locking(one, _LK_NBLCK, 10) == 0 && _locking(two, _LK_NBLCK, 10) == -1,
       "_locking: a range that another holds");
    unlike_wine(CRT_FAILS(_locking(two, _LK_NBLCK, 10), EACCES), "_locking: its errno is EACCES");
    ok(_locking(one, _LK_UNLCK, 10) == 0 && _locking(two, _LK_NBLCK, 10) == 0 &&
           _locking(two, _LK_UNLCK, 10) == 0,
       "_locking: given up");
    unlike_wine(CRT_FAILS(_locking(two, _LK_UNLCK, 10), EACCES), "_locking: unlocked twice");
    _close(one);
    _close(two);
    remove("locking");
}

static void test_duplicates(void)
{
    int fd = _open("twice", _O_RDWR | _O_CREAT | _O_BINARY, _S_IWRITE), copy = _dup(fd);

    ok(_write(fd, "ab", 2) == 2 && _tell(copy) == 2 && _write(copy, "cd", 2) == 2 && _tell(fd) == 4,
       "_dup: one position");
    _close(fd);
    ok(_write(copy, "e", 1) == 1 && _close(copy) == 0 && IS("twice", "abcde"),
       "it goes on when the other is closed");
    fd = _open("twice", _O_RDONLY);
    ok(_dup2(fd, 20) == 0 && _filelength(20) == 5 && _close(20) == 0 && _close(fd) == 0, "_dup2");
    remove("twice");
}

int main(void)
{
    tap_begin();
    work_begin();
    test_open();
    test_sizes();
    test_text();
    test_modes();
    test_buffers();
    test_names();
    test_times();
    test_locking();
    test_duplicates();
    return work_end();
}
