/*
 * user/msvcrt/stdio.c: the functions of <stdio.h> for bytes: opening, reading, writing, seeking.
 */
#include "user/msvcrt/msvcrt.h"

#include <share.h>

#undef getc
#undef putc
#undef getchar
#undef putchar
#undef feof
#undef ferror
#undef _fileno
#undef fileno

int crt_commode;

/* What a letter after the first of a mode adds, for the descriptor; 0: nothing. */
static int mode_letter(wchar_t letter)
{
    static const struct {
        wchar_t letter;
        int flag;
    } letters[] = {
        {'b', _O_BINARY},    {'t', _O_TEXT},        {'S', _O_SEQUENTIAL}, {'R', _O_RANDOM},
        {'N', _O_NOINHERIT}, {'T', _O_SHORT_LIVED}, {'D', _O_TEMPORARY},
    };
    for (size_t i = 0; i < COUNT_OF(letters); i++) {
        if (letters[i].letter == letter) {
            return letters[i].flag;
        }
    }
    return 0;
}

/* What the first letter means. => the flags for the descriptor and the stream; -1: none */
static int first_letter(wchar_t letter, int *stream)
{
    *stream = letter == 'r' ? _IOREAD : _IOWRT;
    switch (letter) {
    case 'r':
        return _O_RDONLY;
    case 'w':
        return _O_WRONLY | _O_CREAT | _O_TRUNC;
    case 'a':
        return _O_WRONLY | _O_CREAT | _O_APPEND;
    default:
        return -1;
    }
}

/* Flags of a mode string, for the descriptor and for the stream; 0 when it is none. */
static int parse_mode(const wchar_t *mode, int *open_flags, int *stream_flags)
{
    int stream, commit = crt_commode & STREAM_COMMITS;
    while (*mode == ' ') {
        mode++;
    }
    int flags = first_letter(*mode, &stream);
    if (flags < 0) {
        return 0;
    }
    for (mode++; *mode && *mode != ','; mode++) {
        if (*mode == '+') {
            flags = (flags & ~(_O_RDONLY | _O_WRONLY)) | _O_RDWR;
            stream = _IORW;
        } else if (*mode == 'c' || *mode == 'n') {
            commit = *mode == 'c' ? STREAM_COMMITS : 0;
        }
        flags |= mode_letter(*mode);
    }
    *open_flags = flags;
    *stream_flags = stream | commit;
    return 1;
}

static FILE *open_into(FILE *file, const wchar_t *path, const wchar_t *mode, int share)
{
    int flags, stream;
    if (!path || !mode || !parse_mode(mode, &flags, &stream)) {
        fail_with(EINVAL);
        return NULL;
    }
    int fd = crt_wsopen(path, flags, share, _S_IREAD | _S_IWRITE);
    if (fd < 0) {
        return NULL;
    }
    file->_flag = stream;
    file->_file = fd;
    return file;
}

FILE *_wfsopen(const wchar_t *path, const wchar_t *mode, int share)
{
    FILE *file = stream_new();
    if (file && !open_into(file, path, mode, share)) {
        stream_free(file);
        return NULL;
    }
    return file;
}

FILE *_fsopen(const char *path, const char *mode, int share)
{
    wchar_t *wide_path = widen(path), *wide_mode = widen(mode);
    FILE *file = wide_path && wide_mode ? _wfsopen(wide_path, wide_mode, share) : NULL;
    free(wide_path);
    free(wide_mode);
    return file;
}

FILE *fopen(const char *path, const char *mode)
{
    return _fsopen(path, mode, _SH_DENYNO);
}

FILE *_wfopen(const wchar_t *path, const wchar_t *mode)
{
    return _wfsopen(path, mode, _SH_DENYNO);
}

errno_t fopen_s(FILE **file, const char *path, const char *mode)
{
    *file = fopen(path, mode);
    return *file ? 0 : errno;
}

errno_t _wfopen_s(FILE **file, const wchar_t *path, const wchar_t *mode)
{
    *file = _wfopen(path, mode);
    return *file ? 0 : errno;
}

FILE *_wfdopen(int fd, const wchar_t *mode)
{
    int flags, stream;
    if (!is_descriptor(fd) || !parse_mode(mode, &flags, &stream)) {
        fail_with(EINVAL);
        return NULL;
    }
    FILE *file = stream_new();
    if (file) {
        file->_flag = stream;
        file->_file = fd;
    }
    return file;
}

FILE *_fdopen(int fd, const char *mode)
{
    wchar_t *wide = widen(mode);
    FILE *file = wide ? _wfdopen(fd, wide) : NULL;
    free(wide);
    return file;
}

/* Flushes and closes what a stream has; the stream itself stays. */
static int close_contents(FILE *file)
{
    int result = stream_flush(file);
    if (file->_flag & _IOMYBUF) {
        free(file->_base);
    }
    if (_close(file->_file) < 0) {
        result = EOF;
    }
    if (file->_tmpfname) {
        _unlink(file->_tmpfname);
        free(file->_tmpfname);
    }
    *file = (FILE){._file = -1};
    return result;
}

int fclose(FILE *file)
{
    if (!file || !(file->_flag & (_IOREAD | _IOWRT | _IORW))) {
        return fail_with(EINVAL);
    }
    stream_lock(file);
    int result = close_contents(file);
    stream_free(file);
    stream_unlock(file);
    return result;
}

FILE *_wfreopen(const wchar_t *path, const wchar_t *mode, FILE *file)
{
    stream_lock(file);
    if (file->_flag & (_IOREAD | _IOWRT | _IORW)) {
        int fd = file->_file;
        close_contents(file);
        if (fd >= 0 && fd < 3) {
            SetStdHandle(fd == 0   ? STD_INPUT_HANDLE
                         : fd == 1 ? STD_OUTPUT_HANDLE
                                   : STD_ERROR_HANDLE,
                         NULL);
        }
    }
    stream_of(file)->in_use = 1;
    FILE *result = open_into(file, path, mode, _SH_DENYNO);
    if (!result) {
        stream_free(file);
    } else if (file->_file < 3) {
        static const DWORD names[3] = {STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE};
        SetStdHandle(names[file->_file], (HANDLE)_get_osfhandle(file->_file));
    }
    stream_unlock(file);
    return result;
}

FILE *freopen(const char *path, const char *mode, FILE *file)
{
    wchar_t *wide_path = widen(path), *wide_mode = widen(mode);
    FILE *result = wide_path && wide_mode ? _wfreopen(wide_path, wide_mode, file) : NULL;
    free(wide_path);
    free(wide_mode);
    return result;
}

errno_t freopen_s(FILE **result, const char *path, const char *mode, FILE *file)
{
    *result = freopen(path, mode, file);
    return *result ? 0 : errno;
}

errno_t _wfreopen_s(FILE **result, const wchar_t *path, const wchar_t *mode, FILE *file)
{
    *result = _wfreopen(path, mode, file);
    return *result ? 0 : errno;
}

/* Writes what waits, to the device if the stream is to; what was read ahead is dropped. */
static int flush_either_way(FILE *file)
{
    int result = stream_flush(file);
    if (!result && (file->_flag & STREAM_COMMITS) && _commit(file->_file)) {
        result = EOF;
    }
    if (file->_flag & _IOREAD) {
        file->_ptr = file->_base;
        file->_cnt = 0;
    }
    return result;
}

static int flushed;
static int flush_counted(FILE *file)
{
    flushed++;
    return flush_either_way(file);
}

int _flushall(void)
{
    flushed = 0;
    stream_each(flush_counted);
    return flushed;
}

/* With NULL: every stream that was written to. */
int fflush(FILE *file)
{
    if (!file) {
        stream_each(stream_flush);
        return 0;
    }
    stream_lock(file);
    int result = flush_either_way(file);
    stream_unlock(file);
    return result;
}

static int closed;
static int close_counted(FILE *file)
{
    if (file != stdin && file != stdout && file != stderr) {
        fclose(file);
        closed++;
    }
    return 0;
}

int _fcloseall(void)
{
    closed = 0;
    stream_each(close_counted);
    return closed;
}

int setvbuf(FILE *file, char *buffer, int mode, size_t size)
{
    if (mode != _IONBF && mode != _IOFBF && mode != _IOLBF) {
        return -1;
    }
    stream_lock(file);
    stream_flush(file);
    if (file->_flag & _IOMYBUF) {
        free(file->_base);
    }
    file->_flag &= ~(_IOMYBUF | _IONBF);
    file->_base = NULL;
    file->_bufsiz = 0;
    if (mode == _IONBF) {
        file->_flag |= _IONBF;
    } else if (size >= 2 && size <= INT_MAX) {
        file->_base = buffer ? buffer : malloc(size & ~(size_t)1);
        file->_flag |= buffer || !file->_base ? 0 : _IOMYBUF;
        file->_bufsiz = file->_base ? (int)(size & ~(size_t)1) : 0;
    }
    file->_flag |= _IOSETVBUF;
    file->_ptr = file->_base;
    file->_cnt = 0;
    stream_unlock(file);
    return 0;
}

void setbuf(FILE *file, char *buffer)
{
    setvbuf(file, buffer, buffer ? _IOFBF : _IONBF, BUFSIZ);
}

static int get(FILE *file)
{
    if (--file->_cnt >= 0) {
        return (unsigned char)*file->_ptr++;
    }
    return _filbuf(file);
}

static int put(int c, FILE *file)
{
    char byte = (char)c;
    if ((file->_flag & _IOWRT) && --file->_cnt >= 0) {
        *file->_ptr++ = byte;
        return (unsigned char)c;
    }
    return _flsbuf(c, file);
}

int fgetc(FILE *file)
{
    stream_lock(file);
    int c = get(file);
    stream_unlock(file);
    return c;
}

int getc(FILE *file)
{
    return fgetc(file);
}

int getchar(void)
{
    return fgetc(stdin);
}

int _fgetchar(void)
{
    return fgetc(stdin);
}

int fputc(int c, FILE *file)
{
    stream_lock(file);
    int result = put(c, file);
    stream_unlock(file);
    return result;
}

int putc(int c, FILE *file)
{
    return fputc(c, file);
}

int putchar(int c)
{
    return fputc(c, stdout);
}

int _fputchar(int c)
{
    return fputc(c, stdout);
}

int ungetc(int c, FILE *file)
{
    if (c == EOF) {
        return EOF;
    }
    stream_lock(file);
    int result = EOF;
    if ((file->_flag & _IOREAD) || ((file->_flag & _IORW) && !(file->_flag & _IOWRT))) {
        if (!file->_base) {
            stream_take_buffer(file);
        }
        if (file->_ptr == file->_base && !file->_cnt) {
            file->_ptr++;
        }
        if (file->_ptr > file->_base) {
            *--file->_ptr = (char)c;
            file->_cnt = file->_cnt < 0 ? 1 : file->_cnt + 1;
            file->_flag &= ~_IOEOF;
            file->_flag |= _IOREAD;
            result = (unsigned char)c;
        }
    }
    stream_unlock(file);
    return result;
}

char *fgets(char *buffer, int size, FILE *file)
{
    int n = 0, c = 0;
    if (size < 1) {
        return NULL;
    }
    stream_lock(file);
    while (n < size - 1 && c != '\n' && (c = get(file)) != EOF) {
        buffer[n++] = (char)c;
    }
    stream_unlock(file);
    if (!n && size > 1) {
        return NULL;
    }
    buffer[n] = 0;
    return buffer;
}

char *gets(char *buffer)
{
    int n = 0, c;
    stream_lock(stdin);
    while ((c = get(stdin)) != EOF && c != '\n') {
        buffer[n++] = (char)c;
    }
    stream_unlock(stdin);
    if (c == EOF && !n) {
        return NULL;
    }
    buffer[n] = 0;
    return buffer;
}

size_t fwrite(const void *data, size_t size, size_t count, FILE *file)
{
    size_t nbytes = size * count;
    if (!nbytes) {
        return 0;
    }
    stream_lock(file);
    int lent = stream_temporary_buffer(file);
    size_t done = stream_write(file, data, nbytes);
    stream_end_temporary(file, lent);
    stream_unlock(file);
    return done == nbytes ? count : done / size;
}

int fputs(const char *text, FILE *file)
{
    size_t n = strlen(text);
    return fwrite(text, 1, n, file) == n ? 0 : EOF;
}

int puts(const char *text)
{
    size_t n = strlen(text);
    stream_lock(stdout);
    int lent = stream_temporary_buffer(stdout);
    int result = stream_write(stdout, text, n) == n && stream_write(stdout, "\n", 1) == 1 ? 0 : EOF;
    stream_end_temporary(stdout, lent);
    stream_unlock(stdout);
    return result;
}

/* Reads bytes: what the buffer holds, large runs past it. */
static size_t read_bytes(FILE *file, char *to, size_t nbytes)
{
    size_t left = nbytes;
    while (left) {
        if (file->_cnt > 0 && !(file->_flag & _IOWRT)) {
            size_t n = left < (size_t)file->_cnt ? left : (size_t)file->_cnt;
            memcpy(to, file->_ptr, n);
            file->_ptr += n;
            file->_cnt -= (int)n;
            to += n;
            left -= n;
        } else if (left >= 4096 && (file->_flag & (_IOREAD | _IORW)) && !(file->_flag & _IOWRT) &&
                   is_descriptor(file->_file) && !(descriptors[file->_file].flags & FD_TEXT)) {
            file->_flag |= _IOREAD;
            file->_ptr = file->_base;
            file->_cnt = 0;
            int n = _read(file->_file, to, (unsigned)(left & ~(size_t)4095));
            if (n <= 0) {
                file->_flag |= n ? _IOERR : _IOEOF;
                break;
            }
            to += n;
            left -= (size_t)n;
        } else {
            int c = get(file);
            if (c == EOF) {
                break;
            }
            *to++ = (char)c;
            left--;
        }
    }
    return nbytes - left;
}

size_t fread(void *data, size_t size, size_t count, FILE *file)
{
    size_t nbytes = size * count;
    if (!nbytes) {
        return 0;
    }
    stream_lock(file);
    size_t done = read_bytes(file, data, nbytes);
    stream_unlock(file);
    return done == nbytes ? count : done / size;
}

int feof(FILE *file)
{
    return file->_flag & _IOEOF;
}

int ferror(FILE *file)
{
    return file->_flag & _IOERR;
}

void clearerr(FILE *file)
{
    stream_lock(file);
    file->_flag &= ~(_IOERR | _IOEOF);
    if (is_descriptor(file->_file)) {
        descriptors[file->_file].flags &= (unsigned char)~FD_END;
    }
    stream_unlock(file);
}

int _fileno(FILE *file)
{
    return file->_file;
}

/* How many bytes of the file became the first `count` of the buffer, in text mode: read again. */
static __int64 text_bytes(FILE *file, int count)
{
    char raw[512];
    int fd = file->_file;
    __int64 taken = 0, back = _telli64(fd);
    int have = 0, at = 0;
    _lseeki64(fd, stream_of(file)->fill_position, SEEK_SET);
    while (count > 0) {
        if (at + 1 >= have) {
            int rest = have - at;
            raw[0] = rest ? raw[at] : 0;
            int n = raw_read(fd, raw + rest, sizeof(raw) - (unsigned)rest);
            have = rest + (n > 0 ? n : 0);
            at = 0;
            if (!have) {
                break;
            }
        }
        int pair = raw[at] == '\r' && at + 1 < have && raw[at + 1] == '\n';
        at += 1 + pair;
        taken += 1 + pair;
        count--;
    }
    _lseeki64(fd, back, SEEK_SET);
    return taken;
}

static __int64 position_of(FILE *file)
{
    int fd = file->_file;
    __int64 position = _telli64(fd);
    if (position < 0) {
        return -1;
    }
    int text = (descriptors[fd].flags & FD_TEXT) != 0;
    if ((file->_flag & _IOWRT) && file->_base && file->_bufsiz > 1) {
        position += file->_ptr - file->_base;
        for (const char *p = file->_base; text && p < file->_ptr; p++) {
            position += *p == '\n';
        }
    } else if ((file->_flag & _IOREAD) && file->_base && file->_cnt >= 0) {
        if (!text) {
            position -= file->_cnt;
        } else if (file->_cnt || file->_ptr != file->_base) {
            int pushed = descriptors[fd].pushed;
            position = stream_of(file)->fill_position;
            position += text_bytes(file, (int)(file->_ptr - file->_base));
            descriptors[fd].pushed = pushed;
        }
    }
    return position;
}

__int64 _ftelli64(FILE *file)
{
    stream_lock(file);
    __int64 position = position_of(file);
    stream_unlock(file);
    return position;
}

long ftell(FILE *file)
{
    __int64 position = _ftelli64(file);
    return position > LONG_MAX ? fail_with(EINVAL) : (long)position;
}

int _fseeki64(FILE *file, __int64 offset, int origin)
{
    if (origin < SEEK_SET || origin > SEEK_END) {
        return fail_with(EINVAL);
    }
    stream_lock(file);
    file->_flag &= ~_IOEOF;
    if (origin == SEEK_CUR) {
        __int64 position = position_of(file);
        offset += position < 0 ? 0 : position;
        origin = SEEK_SET;
    }
    stream_flush(file);
    if (file->_flag & _IORW) {
        file->_flag &= ~(_IOREAD | _IOWRT);
    }
    file->_ptr = file->_base;
    file->_cnt = 0;
    int result = _lseeki64(file->_file, offset, origin) < 0 ? -1 : 0;
    stream_unlock(file);
    return result;
}

int fseek(FILE *file, long offset, int origin)
{
    return _fseeki64(file, offset, origin);
}

void rewind(FILE *file)
{
    fseek(file, 0, SEEK_SET);
    clearerr(file);
}

int fgetpos(FILE *file, fpos_t *position)
{
    *position = _ftelli64(file);
    return *position < 0 ? -1 : 0;
}

int fsetpos(FILE *file, const fpos_t *position)
{
    return _fseeki64(file, *position, SEEK_SET);
}

int _getw(FILE *file)
{
    int value;
    return fread(&value, sizeof(value), 1, file) == 1 ? value : EOF;
}

int _putw(int value, FILE *file)
{
    return fwrite(&value, sizeof(value), 1, file) == 1 ? value : EOF;
}

FILE *tmpfile(void)
{
    int fd = temporary_file();
    FILE *file = fd < 0 ? NULL : _wfdopen(fd, L"w+b");
    if (fd >= 0 && !file) {
        _close(fd);
    }
    return file;
}

errno_t tmpfile_s(FILE **file)
{
    *file = tmpfile();
    return *file ? 0 : errno;
}

int _rmtmp(void)
{
    return 0; /* temporary files go with their last handle */
}

int _getmaxstdio(void)
{
    return FD_COUNT;
}

int _setmaxstdio(int count)
{
    return count <= FD_COUNT ? FD_COUNT : -1;
}

int *__p__commode(void)
{
    return &crt_commode;
}
