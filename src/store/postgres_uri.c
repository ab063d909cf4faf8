/* SPDX-License-Identifier: Apache-2.0 */
/* postgres_uri.c - a URI, and the environment where it leaves something open, as libpq reads them. */
#include "store/postgres_uri.h"

#include <arpa/inet.h>
#include <libpq-fe.h>
#include <stdio.h>

static bool is_local_one(sb_str host)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char four[4];
    if (host.len == 0 || host.ptr[0] == '/' || host.ptr[0] == '@' || sb_str_eq(host, SB_STR_LIT("localhost")) ||
        sb_str_eq(host, SB_STR_LIT("::1")))
        return true;
    (void)snprintf(text, sizeof(text), "%.*s", (int)SB_MIN(host.len, sizeof(text) - 1), host.ptr);
    return inet_pton(AF_INET, text, four) == 1 && four[0] == 127; /* 127.example.com is somewhere else */
}

/* One host, or a list of them that are tried in turn. */
static bool is_local(const char *hosts)
{
    sb_str rest = sb_str_from(hosts), host;
    while (sb_str_split(&rest, ',', &host)) {
        if (!is_local_one(host))
            return false;
    }
    return true;
}

/* What the connection's URI says, as libpq reads it. */
typedef struct target {
    const char *host, *dbname;
    bool remote, sslmode;
} target;

static const char *environment(const char *name)
{
    const char *text = getenv(name);
    return text ? text : "";
}

static void read_target(const PQconninfoOption *options, target *out)
{
    bool named = false;
    for (; options->keyword; options++) {
        const char *text = options->val;
        if (!text || !text[0])
            continue;
        if (strcmp(options->keyword, "host") == 0)
            out->host = text;
        if (strcmp(options->keyword, "host") == 0 || strcmp(options->keyword, "hostaddr") == 0) {
            out->remote |= !is_local(text);
            named = true;
        }
        if (strcmp(options->keyword, "dbname") == 0)
            out->dbname = text;
        if (strcmp(options->keyword, "sslmode") == 0)
            out->sslmode = true;
    }
    if (!named) /* then libpq takes the environment's */
        out->remote = !is_local(environment("PGHOST")) || !is_local(environment("PGHOSTADDR"));
    out->sslmode |= environment("PGSSLMODE")[0] != '\0';
}

/* One port, or a list of them. */
static bool are_ports(sb_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != ',' && (text.ptr[i] < '0' || text.ptr[i] > '9'))
            return false;
    }
    return true;
}

/* Is it cut at a wrong place? A password's '/', '?' or '@' that is not escaped ends what stands before it: libpq takes the
 * password's pieces for a port, a host and a database, and names them in its messages. */
static bool is_torn(const PQconninfoOption *options)
{
    for (; options->keyword; options++) {
        sb_str text = sb_str_from(options->val ? options->val : "");
        bool names = strcmp(options->keyword, "host") == 0 || strcmp(options->keyword, "dbname") == 0;
        if (names && text.len > 1 && memchr(text.ptr + 1, '@', text.len - 1)) /* a first one: an abstract socket */
            return true;
        if (strcmp(options->keyword, "port") == 0 && !are_ports(text))
            return true;
    }
    return false;
}

/* NULL: libpq does not understand it, or not as it is meant. What libpq says of it repeats it, password and all. */
static PQconninfoOption *parse(const char *uri)
{
    char *problem = NULL;
    PQconninfoOption *options = PQconninfoParse(uri, &problem);
    PQfreemem(problem);
    if (!options || !is_torn(options))
        return options;
    PQconninfoFree(options);
    return NULL;
}

sb_status sb_postgres_uri(const char *uri, char **where, bool *verify)
{
    target t = {.host = "local socket", .dbname = "?"};
    PQconninfoOption *options = parse(uri);
    if (!options)
        return SB_E_USAGE;
    read_target(options, &t);
    *where = sb_printf("PostgreSQL %s/%s", t.host, t.dbname);
    *verify = t.remote && !t.sslmode;
    PQconninfoFree(options);
    return *where ? SB_OK : SB_E_NOMEM;
}

bool sb_postgres_is_uri(const char *text)
{
    sb_str uri = sb_str_from(text);
    return sb_str_starts_with(uri, SB_STR_LIT("postgresql://")) || sb_str_starts_with(uri, SB_STR_LIT("postgres://"));
}

/* user:password@host. Where libpq understands it the authority alone is looked at: a "?password=" behind it may take the
 * place of the one that stands there. Else it may end anywhere. */
static bool names_one(const char *uri, bool understood)
{
    const char *authority = strstr(uri, "://");
    if (!authority)
        return strstr(uri, "password=") != NULL;
    sb_str text = sb_str_from(authority + 3);
    if (understood)
        text.len = strcspn(text.ptr, "/");
    const char *at = memrchr(text.ptr, '@', text.len);
    return (at && memchr(text.ptr, ':', (size_t)(at - text.ptr))) || (!understood && strstr(uri, "password="));
}

bool sb_postgres_uri_has_password(const char *uri)
{
    PQconninfoOption *options = parse(uri);
    bool found = names_one(uri, options != NULL);
    for (const PQconninfoOption *o = options; o && o->keyword; o++)
        found |= o->val && o->val[0] && (strcmp(o->keyword, "password") == 0 || strcmp(o->keyword, "sslpassword") == 0);
    PQconninfoFree(options);
    return found;
}
