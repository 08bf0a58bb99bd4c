/* SPDX-License-Identifier: MIT
 * exposure: who can connect to a FastCGI socket? */
#include "exposure.h"

#include <arpa/inet.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

union address {
    struct sockaddr any;
    struct sockaddr_un unix_path;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

enum exposure exposure_file(const char *path)
{
    char folder[PATH_MAX] = "";
    struct stat st;
    if (*path != '/' || strlen(path) >= sizeof folder || stat(path, &st) != 0 || !S_ISSOCK(st.st_mode) ||
        !(st.st_mode & S_IWOTH)) /* connecting is writing */
        return EXPOSURE_NARROW;
    for (const char *slash = path; slash; slash = strchr(slash + 1, '/')) {
        size_t len = slash == path ? 1 : (size_t)(slash - path);
        memcpy(folder, path, len);
        folder[len] = '\0';
        if (stat(folder, &st) != 0 || !(st.st_mode & S_IXOTH))
            return EXPOSURE_NARROW;
    }
    return EXPOSURE_MACHINE;
}

enum exposure exposure_address(const char *host)
{
    struct in_addr in;
    struct in6_addr in6;
    if (strcasecmp(host, "localhost") == 0)
        return EXPOSURE_MACHINE;
    if (inet_pton(AF_INET, host, &in) == 1)
        return ntohl(in.s_addr) >> 24 == 127 ? EXPOSURE_MACHINE : EXPOSURE_NETWORK;
    return inet_pton(AF_INET6, host, &in6) == 1 && IN6_IS_ADDR_LOOPBACK(&in6) ? EXPOSURE_MACHINE : EXPOSURE_NETWORK;
}

/* of a unix socket; len: of the whole address */
static enum exposure unix_socket(const struct sockaddr_un *a, size_t len, char *name, size_t size)
{
    int n = len > offsetof(struct sockaddr_un, sun_path) ? (int)(len - offsetof(struct sockaddr_un, sun_path)) : 0;
    if (n > 1 && a->sun_path[0] == '\0') { /* abstract: it has no mode */
        snprintf(name, size, "@%.*s", n - 1, a->sun_path + 1);
        return EXPOSURE_MACHINE;
    }
    snprintf(name, size, "%.*s", n, a->sun_path);
    return exposure_file(name);
}

enum exposure exposure_socket(int fd, char *name, size_t size)
{
    union address a = {0};
    socklen_t len = sizeof a;
    char host[INET6_ADDRSTRLEN] = "";
    *name = '\0';
    if (getsockname(fd, &a.any, &len) != 0)
        return EXPOSURE_NARROW;
    if (a.any.sa_family == AF_UNIX)
        return unix_socket(&a.unix_path, len, name, size);
    if (a.any.sa_family == AF_INET && inet_ntop(AF_INET, &a.in.sin_addr, host, sizeof host))
        snprintf(name, size, "%s:%u", host, (unsigned)ntohs(a.in.sin_port));
    else if (a.any.sa_family == AF_INET6 && inet_ntop(AF_INET6, &a.in6.sin6_addr, host, sizeof host))
        snprintf(name, size, "[%s]:%u", host, (unsigned)ntohs(a.in6.sin6_port));
    else
        return EXPOSURE_NARROW;
    return exposure_address(host);
}

const char *exposure_who(enum exposure reach)
{
    static const char *const who[] = {"the web server", "any user of this machine",
                                      "any machine that finds a way to it"};
    return who[reach];
}
