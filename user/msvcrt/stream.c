/*
 * user/msvcrt/stream.c: streams: the FILE structure, buffers, filling and flushing.
 *
 * A FILE has msvcrt's layout, as getc and putc of old programs work on it: _ptr is the next byte,
 * _cnt the bytes left to read, or the room left to write. The first twenty are the array _iob; the
 * rest of a stream's state lies behind its FILE, or beside the array.
 *
 * stdout on a terminal and stderr everywhere have no buffer between calls: each call lends them
 * one and writes it out (stream_temporary_buffer). Other streams have 4096 bytes.
 * Locks: STREAM_TABLE_LOCK for the list of streams; each stream has its own.
 */
#include "user/msvcrt/msvcrt.h"

#define BUFFER_SIZE 4096
#define MAX_STREAMS 512

FILE crt_iob[STATIC_STREAMS] = {
    {._flag = _IOREAD, ._file = 0},
    {._flag = _IOWRT, ._file = 1},
    {._flag = _IOWRT | _IONBF, ._file = 2},
    [3 ... STATIC_STREAMS - 1] = {._file = -1},
};
static struct stream statics[STATIC_STREAMS] = {
    /* the rest of those of crt_iob */
    [0 ... 2] = {.lock = FREE_SECTION, .in_use = 1},
    [3 ... STATIC_STREAMS - 1] = {.lock = FREE_SECTION},
};
BIG_TABLE static struct stream *others[MAX_STREAMS - STATIC_STREAMS]; /* [STREAM_TABLE_LOCK] */

/* Lent to stdout and stderr while one call prints. [their locks] */
BIG_TABLE static char temporary[2][BUFFER_SIZE];

struct stream *stream_of(FILE *file)
{
    if (file >= crt_iob && file < crt_iob + STATIC_STREAMS) {
        return &statics[file - crt_iob];
    }
    return (struct stream *)file;
}

void stream_lock(FILE *file)
{
    EnterCriticalSection(&stream_of(file)->lock);
}

void stream_unlock(FILE *file)
{
    LeaveCriticalSection(&stream_of(file)->lock);
}

void _lock_file(FILE *file)
{
    stream_lock(file);
}

void _unlock_file(FILE *file)
{
    stream_unlock(file);
}

/* A stream that nobody uses, cleared; NULL with errno. */
FILE *stream_new(void)
{
    FILE *found = NULL;
    _lock(STREAM_TABLE_LOCK);
    for (int i = 3; i < STATIC_STREAMS && !found; i++) {
        if (!statics[i].in_use) {
            statics[i].in_use = 1;
            found = &crt_iob[i];
        }
    }
    for (size_t i = 0; i < COUNT_OF(others) && !found; i++) {
        if (!others[i]) {
            others[i] = calloc(1, sizeof(*others[i]));
            if (!others[i]) {
                break;
            }
            InitializeCriticalSection(&others[i]->lock);
        }
        if (!others[i]->in_use) {
            others[i]->in_use = 1;
            found = &others[i]->file;
        }
    }
    _unlock(STREAM_TABLE_LOCK);
    if (!found) {
        fail_with(EMFILE);
        return NULL;
    }
    *found = (FILE){._file = -1};
    stream_of(found)->child = NULL;
    return found;
}

void stream_free(FILE *file)
{
    *file = (FILE){._file = -1};
    stream_of(file)->in_use = 0;
}

/* Calls visit for every open stream, locked. */
void stream_each(int (*visit)(FILE *file))
{
    for (size_t i = 0; i < STATIC_STREAMS + COUNT_OF(others); i++) {
        FILE *file = NULL;
        if (i < STATIC_STREAMS) {
            file = statics[i].in_use ? &crt_iob[i] : NULL;
        } else if (others[i - STATIC_STREAMS]) {
            file = others[i - STATIC_STREAMS]->in_use ? &others[i - STATIC_STREAMS]->file : NULL;
        } else {
            break; /* they are made from the first on */
        }
        if (file) {
            stream_lock(file);
            visit(file);
            stream_unlock(file);
        }
    }
}

void streams_end(void)
{
    stream_each(stream_flush);
}

static int has_buffer(const FILE *file)
{
    return file->_base && file->_bufsiz > 1;
}

/* Gives a stream its buffer; a byte of its own serves when it may have none. */
void stream_take_buffer(FILE *file)
{
    if (!file->_base && !(file->_flag & _IONBF)) {
        file->_base = malloc(BUFFER_SIZE);
        if (file->_base) {
            file->_bufsiz = BUFFER_SIZE;
            file->_flag |= _IOMYBUF;
        }
    }
    if (!file->_base) {
        file->_base = (char *)&file->_charbuf;
        file->_bufsiz = 1;
    }
    file->_ptr = file->_base;
    file->_cnt = 0;
}

/* Reads the next buffer and returns its first byte; EOF at the end. */
int _filbuf(FILE *file)
{
    if (!(file->_flag & (_IOREAD | _IORW | _IOWRT))) {
        return EOF;
    }
    if (file->_flag & _IOWRT) {
        file->_flag |= _IOERR;
        errno = EBADF;
        return EOF;
    }
    file->_flag |= _IOREAD;
    if (!file->_base) {
        stream_take_buffer(file);
    }
    int fd = file->_file;
    if (is_descriptor(fd) && (descriptors[fd].flags & (FD_TEXT | FD_DEVICE | FD_PIPE)) == FD_TEXT) {
        stream_of(file)->fill_position = _telli64(fd);
    }
    file->_ptr = file->_base;
    int n = _read(fd, file->_base, (unsigned)file->_bufsiz);
    if (n <= 0) {
        file->_flag |= n ? _IOERR : _IOEOF;
        file->_cnt = 0;
        return EOF;
    }
    file->_cnt = n - 1;
    return (unsigned char)*file->_ptr++;
}

/* Writes what the buffer holds; 0, or EOF with the error flag. */
int stream_flush(FILE *file)
{
    int result = 0;
    if ((file->_flag & (_IOREAD | _IOWRT)) == _IOWRT && has_buffer(file)) {
        int count = (int)(file->_ptr - file->_base);
        if (count > 0 && _write(file->_file, file->_base, (unsigned)count) != count) {
            file->_flag |= _IOERR;
            result = EOF;
        }
        if (!result && (file->_flag & _IORW)) {
            file->_flag &= ~_IOWRT;
        }
        file->_ptr = file->_base;
        file->_cnt = 0;
    }
    return result;
}

/* Makes a stream ready for writing; 0, or EOF with errno. */
static int start_writing(FILE *file)
{
    if (!(file->_flag & (_IOWRT | _IORW))) {
        errno = EBADF;
        file->_flag |= _IOERR;
        return EOF;
    }
    if (file->_flag & _IOREAD) {
        file->_cnt = 0;
        if (!(file->_flag & _IOEOF)) {
            file->_flag |= _IOERR; /* a read must be followed by a seek */
            return EOF;
        }
        file->_ptr = file->_base;
        file->_flag &= ~_IOREAD;
    }
    file->_flag |= _IOWRT;
    file->_flag &= ~_IOEOF;
    file->_cnt = 0;
    return 0;
}

/* Writes the buffer and puts the byte c first into the next one. */
int _flsbuf(int c, FILE *file)
{
    char byte = (char)c;
    if (start_writing(file)) {
        return EOF;
    }
    if (!file->_base && !((file == stdout || file == stderr) && _isatty(file->_file))) {
        stream_take_buffer(file);
    }
    if (!has_buffer(file)) {
        if (_write(file->_file, &byte, 1) != 1) {
            file->_flag |= _IOERR;
            return EOF;
        }
        return (unsigned char)c;
    }
    int count = (int)(file->_ptr - file->_base);
    file->_ptr = file->_base + 1;
    file->_cnt = file->_bufsiz - 1;
    if (count > 0 && _write(file->_file, file->_base, (unsigned)count) != count) {
        file->_flag |= _IOERR;
        file->_base[0] = byte;
        return EOF;
    }
    file->_base[0] = byte;
    return (unsigned char)c;
}

/* Writes bytes through the buffer, large runs past it. Returns how many it took. */
size_t stream_write(FILE *file, const void *data, size_t nbytes)
{
    const char *from = data;
    size_t left = nbytes;
    if (!(file->_flag & _IOWRT) || (file->_flag & _IOREAD)) {
        if (start_writing(file)) {
            return 0;
        }
    }
    while (left) {
        if (has_buffer(file) && file->_cnt > 0) {
            size_t n = left < (size_t)file->_cnt ? left : (size_t)file->_cnt;
            memcpy(file->_ptr, from, n);
            file->_ptr += n;
            file->_cnt -= (int)n;
            from += n;
            left -= n;
        } else if (has_buffer(file) ? left >= (size_t)file->_bufsiz
                                    : file->_base != NULL || (file->_flag & _IONBF) != 0) {
            if (stream_flush(file)) {
                break;
            }
            file->_flag |= _IOWRT;
            int done = _write(file->_file, from, (unsigned)left);
            if (done <= 0) {
                file->_flag |= _IOERR;
                break;
            }
            from += done;
            left -= (size_t)done;
        } else {
            if (_flsbuf((unsigned char)*from, file) == EOF) {
                break;
            }
            from++;
            left--;
        }
    }
    return nbytes - left;
}

/* Lends an unbuffered stdout or stderr a buffer for one call; nonzero when it did. */
int stream_temporary_buffer(FILE *file)
{
    int which = file == stdout ? 0 : file == stderr ? 1 : -1;
    if (which < 0 || file->_base ||
        (which == 0 && !(file->_flag & _IONBF) && !_isatty(file->_file))) {
        return 0;
    }
    if (start_writing(file)) {
        return 0;
    }
    file->_base = file->_ptr = temporary[which];
    file->_bufsiz = file->_cnt = BUFFER_SIZE;
    return 1;
}

void stream_end_temporary(FILE *file, int was_given)
{
    if (was_given) {
        stream_flush(file);
        file->_base = file->_ptr = NULL;
        file->_bufsiz = file->_cnt = 0;
    }
}

FILE *__acrt_iob_func(unsigned index)
{
    return &crt_iob[index];
}

FILE *crt_iob_func(void)
{
    return crt_iob;
}
