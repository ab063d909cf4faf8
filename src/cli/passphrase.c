/* SPDX-License-Identifier: Apache-2.0 */
/* passphrase.c - see the header. What it read is wiped here or by its caller; says on stderr why there is none. */
#include "passphrase.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define CTRL_C    3
#define CTRL_D    4
#define CTRL_U    21
#define BACKSPACE 8
#define DELETE    127

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

static int from_env(const char *name, char *buf, size_t size)
{
    const char *value = getenv(name);
    if (!value)
        return complain(name, "this environment variable is not set");
    size_t len = strlen(value);
    if (len > size)
        return complain(name, "it is too long for a passphrase");
    memcpy(buf, value, len);
    return (int)len; /* at most `size`, which is a buffer's */
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
