/* SPDX-License-Identifier: MIT
 * http_authorities: where a system keeps the CA certificates that TLS trusts. */
#include "http_impl.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* source: crypto/x509 of Go, root_linux.go and root_bsd.go */
static const char *const places[] = {
    "/etc/ssl/certs/ca-certificates.crt",                /* Debian, Ubuntu, Alpine, Arch */
    "/etc/pki/tls/certs/ca-bundle.crt",                  /* RHEL, CloudLinux, Fedora */
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", /* the newest of these */
    "/etc/ssl/ca-bundle.pem",                            /* SUSE */
    "/var/lib/ca-certificates/ca-bundle.pem",            /* the newest of these */
    "/etc/ssl/cert.pem",                                 /* Alpine without its package, FreeBSD, OpenBSD */
    "/usr/local/etc/ssl/cert.pem",                       /* FreeBSD, older ones too, as the next */
    "/usr/local/share/certs/ca-root-nss.crt",
};

/* What this libcurl was built for. The static one was built for no system. */
static const char *built_for(bool *folder)
{
    *folder = false;
#if LIBCURL_VERSION_NUM >= 0x074600
    const curl_version_info_data *known = curl_version_info(CURLVERSION_NOW);
    *folder = known->age >= CURLVERSION_SEVENTH && known->capath != NULL;
    return known->age >= CURLVERSION_SEVENTH ? known->cainfo : NULL;
#else
    *folder = true; /* it does not say */
    return NULL;
#endif
}

const char *http_authorities(const char *given)
{
    bool folder;
    if (given)
        return given;
    const char *own = built_for(&folder);
    if (own && access(own, R_OK) == 0)
        return own;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (access(places[i], R_OK) == 0)
            return places[i];
    return NULL;
}

int http_check_authorities(const char *url, const char *given, struct err *e)
{
    bool folder;
    const char *file = http_authorities(given);
    if (strncasecmp(url, "https:", 6) != 0)
        return 0;
    if (given && access(given, R_OK) != 0) {
        err_set(e, ERR_CONFIG, "cannot read the CA bundle %.200s: %s", given, strerror(errno));
        return err_detail(e, ERR_NO_BUNDLE);
    }
    built_for(&folder);
    if (file || folder)
        return 0;
    err_set(e, ERR_CONFIG,
            "no CA bundle on this host: install the package ca-certificates, or set SSL_CERT_FILE to a file of CA "
            "certificates");
    return err_detail(e, ERR_NO_BUNDLE);
}
