/* SPDX-License-Identifier: Apache-2.0 */
/* passphrase.c - see the header. What it read is wiped here or by its caller; says on stderr why there is none. */
#include "passphrase.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define CTRL_C    3
#define CTRL_D    4
#define CTRL_U    21
#define BACKSPACE 8
#define DELETE    127
#define KEPT_MAX  4096 /* a page; OpenSSL takes a quarter of it at most */

/* What came from the environment. On a page of its own, to be locked. One thread opens keys, before others begin. */
static struct {
    _Alignas(KEPT_MAX) char text[KEPT_MAX];
    size_t len;
    bool there;
} kept;

static int complain(const char *what, const char *why)
{
    (void)fprintf(stderr, "smartbulk: the passphrase could not be read: %s: %s\n", what, why);
    return -1;
}

static int first_line(const char *buf, size_t len)
{
    size_t end = 0;
    while (end < len && buf[end] != '\n' && buf[end] != '\r')
        end++;
    return (int)end; /* at most a buffer's size */
}

static int from_file(const char *path, char *buf, size_t size)
{
    struct stat st;
    size_t len = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return complain(path, strerror(errno));
    if (fstat(fd, &st) != 0 || (st.st_mode & (S_IRWXG | S_IRWXO))) {
        (void)close(fd);
        return complain(path, "others may read it: chmod 600");
    }
    while (len < size) {
        ssize_t n = read(fd, buf + len, size - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    (void)close(fd);
    return len < size ? first_line(buf, len) : complain(path, "it is too long for a passphrase");
}

/* The variable's value, moved to where no core dump and no swap has it: another key may be sealed by it too. In the
 * environment it would stay for as long as we run, for /proc/PID/environ and for programs that we might start. */
static void take_from_environment(const char *name)
{
    char *value = getenv(name);
    if (!value)
        return;
    size_t len = strlen(value);
    (void)mlock(kept.text, sizeof(kept.text)); /* best effort, as for other secrets */
    (void)madvise(kept.text, sizeof(kept.text), MADV_DONTDUMP);
    kept.there = true;
    kept.len = len < sizeof(kept.text) ? len : sizeof(kept.text);
    memcpy(kept.text, value, kept.len);
    explicit_bzero(value, len);
    (void)unsetenv(name);
}

static int from_env(const char *name, char *buf, size_t size)
{
    take_from_environment(name);
    if (!kept.there)
        return complain(name, "this environment variable is not set");
    if (kept.len > size || kept.len == sizeof(kept.text))
        return complain(name, "it is too long for a passphrase");
    memcpy(buf, kept.text, kept.len);
    return (int)kept.len; /* at most `size`, which is a buffer's */
}

void cli_passphrase_forget(const cli_passphrase *from)
{
    if (from->env)
        take_from_environment(from->env); /* also when nothing was sealed and nobody asked */
    explicit_bzero(kept.text, sizeof(kept.text));
    kept.there = false;
}

/* Key by key, without echo and without signals: an interrupted prompt must not leave a terminal that shows nothing. */
static int read_line(int tty, char *buf, size_t size)
{
    size_t len = 0;
    for (;;) {
        char c;
        ssize_t n = read(tty, &c, 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || c == CTRL_C || c == CTRL_D)
            return -1;
        if (c == '\n' || c == '\r')
            return (int)len; /* at most `size` */
        if (c == CTRL_U)
            len = 0;
        else if (c == BACKSPACE || c == DELETE)
            len -= len > 0;
        else if (len < size)
            buf[len++] = c;
    }
}

static int from_terminal(char *buf, size_t size)
{
    static const char prompt[] = "Passphrase of the key: ";
    struct termios before, silent;
    int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (tty < 0 || tcgetattr(tty, &before) != 0) {
        if (tty >= 0)
            (void)close(tty);
        return complain("there is no terminal to ask at", "give --passphrase-file or --passphrase-env");
    }
    silent = before;
    silent.c_lflag &= (tcflag_t) ~(ECHO | ICANON | ISIG);
    silent.c_cc[VMIN] = 1;
    silent.c_cc[VTIME] = 0;
    int len = -1;
    if (tcsetattr(tty, TCSAFLUSH, &silent) == 0) {
        if (write(tty, prompt, sizeof(prompt) - 1) > 0)
            len = read_line(tty, buf, size);
        (void)tcsetattr(tty, TCSAFLUSH, &before); /* nothing better can be done if it fails */
        (void)!write(tty, "\n", 1);
    }
    (void)close(tty);
    return len;
}

int cli_passphrase_get(void *impl, char *buf, size_t size)
{
    const cli_passphrase *from = impl;
    if (from->file)
        return from_file(from->file, buf, size);
    if (from->env)
        return from_env(from->env, buf, size);
    return from_terminal(buf, size);
}
