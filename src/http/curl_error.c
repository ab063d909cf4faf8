/* SPDX-License-Identifier: Apache-2.0 */
/* curl_error.c - words for a transfer that ended without an answer: which host, in which phase, why, what to do.
 * Knows libcurl's codes and texts; owns no state. */
#include <openssl/x509.h>
#include <stdio.h>

#include <smartbulk/clock.h>

#include "base/log.h"
#include "http/internal.h"
#include "http/retry.h"

#define FIX_RETRY "try again; if it stays, ask the payer whether its server is up"
#define WANTS_CLIENT_CERT                                                                                              \
    "the server asked for a client certificate: give the one it knows (client_cert:, client_cert_key:)"

/* "host:port" of `url`, in `out`; for messages. */
static void host_text(const char *url, char *out, size_t size)
{
    SB_AUTO(sb_url) parsed = SB_URL_INIT;
    SB_AUTO(sb_buf) text = SB_BUF_BOUNDED(size - 1);
    out[0] = '\0';
    if (!url || sb_url_parse(url, &parsed, NULL) != SB_OK)
        return;
    bool v6 = strchr(parsed.host, ':') != NULL;
    if (sb_buf_printf(&text, "%s%s%s:%u", v6 ? "[" : "", parsed.host, v6 ? "]" : "", parsed.port))
        memcpy(out, text.ptr, text.len + 1);
}

static bool says(const char *detail, const char *words)
{
    return strstr(detail, words) != NULL;
}

static sb_status expired(const char *host, const sb_tls_note *note, bool not_yet, sb_error *err)
{
    char now[SB_HTTP_DATE_SIZE];
    sb_http_date_format(sb_clock_system()->wall_s(NULL), now);
    const char *edge = not_yet ? note->not_before : note->not_after;
    sb_error_set(err, SB_E_NETWORK,
                 not_yet ? "the server's certificate is not valid yet" : "the server's certificate has expired",
                 "%s: it %s %s; this machine's clock says %s", NULL, host,
                 not_yet ? "is valid from" : "was valid until", edge[0] ? edge : "another time", now);
    sb_error_fix(err, "if the clock is wrong, set it (timedatectl set-ntp true)\n"
                      "if it is right, the payer must renew its certificate: tell them");
    return SB_E_NETWORK;
}

static sb_status unknown_ca(const char *host, const sb_tls_note *note, const char *detail, sb_error *err)
{
    sb_error_set(err, SB_E_NETWORK, "the server's certificate comes from an unknown CA", "%s: %s%s%s", NULL, host,
                 detail, note->issuer[0] ? "; issued by " : "", note->issuer);
    sb_error_fix(err, "if the payer runs its own CA, get its certificate from them and give --ca-file FILE (ca_file:)\n"
                      "behind a company proxy that opens TLS, give that proxy's CA certificate instead");
    return SB_E_NETWORK;
}

static sb_status wrong_host(const char *host, const sb_tls_note *note, const char *detail, sb_error *err)
{
    sb_error_set(err, SB_E_NETWORK, "the server's certificate is for another host", "%s: %s%s", NULL, host,
                 note->names[0] ? "it is for " : "", note->names[0] ? note->names : detail);
    sb_error_fix(err, "check the address: use the very name that the payer gave you, not an IP address or an alias");
    return SB_E_NETWORK;
}

static sb_status refused_certificate(const char *host, const char *detail, const sb_tls_note *note, sb_error *err)
{
    if (says(detail, "has expired"))
        return expired(host, note, false, err);
    if (says(detail, "not yet valid"))
        return expired(host, note, true, err);
    if (says(detail, "issuer certificate") || says(detail, "self-signed") || says(detail, "self signed") ||
        says(detail, "verify the first certificate"))
        return unknown_ca(host, note, detail, err);
    if (says(detail, "subject name") || says(detail, "host name"))
        return wrong_host(host, note, detail, err);
    return sb_error_set(err, SB_E_NETWORK, "the server's certificate is not accepted", "%s: %s",
                        "tell the payer; openssl s_client -connect HOST:443 -showcerts shows what its server sends",
                        host, detail);
}

static sb_status tls_failed(const char *host, const char *detail, const sb_tls_note *note, sb_error *err)
{
    const char *fix = "check that the port speaks TLS 1.2 or later, and that no proxy stands between";
    if (note->wanted_client_cert)
        fix = WANTS_CLIENT_CERT;
    else if (says(detail, "wrong version number") || says(detail, "record layer"))
        fix = "this port does not speak TLS: check the address and its port";
    else if (says(detail, "certificate required") || says(detail, "bad certificate"))
        fix = WANTS_CLIENT_CERT;
    else if (says(detail, "protocol version") || says(detail, "unsupported protocol"))
        fix = "the server speaks no TLS 1.2 or later: the payer must enable it (DISC-05)";
    return sb_error_set(err, SB_E_NETWORK, "no secure connection could be made", "%s: TLS handshake: %s%s", fix, host,
                        detail, /* libcurl's own words may be of the socket that was closed on it */
                        note->wanted_client_cert ? "; the server had asked for a client certificate" : "");
}

static sb_status timed_out(const char *host, const char *detail, sb_error *err)
{
    const char *what = "the server did not answer in time", *fix = FIX_RETRY;
    if (says(detail, "Resolving timed out")) {
        what = "the server's name could not be looked up in time";
        fix = "check this machine's name servers (resolvectl status)";
    } else if (says(detail, "Connection timed out") || says(detail, "SSL connection timeout")) {
        what = "no connection in time";
        fix = "check that a firewall lets this machine out to that host and port, or set the proxy it must use";
    } else if (says(detail, "too slow")) {
        what = "the answer stopped coming";
    }
    return sb_error_set(err, SB_E_NETWORK, what, "%s: %s", fix, host, detail);
}

static sb_status not_connected(const char *host, const char *detail, sb_error *err)
{
    const char *fix = "check that host and port are right and the server is up; then routes, firewall and proxy";
    if (says(detail, "Connection refused"))
        fix = "nothing listens there: check host and port, and whether the server is up";
    else if (says(detail, "timed out"))
        fix = "check that a firewall lets this machine out to that host and port, or set the proxy it must use";
    return sb_error_set(err, SB_E_NETWORK, "no connection to the server", "%s: connecting: %s", fix, host, detail);
}

static sb_status proxy_failed(const char *host, const char *detail, sb_error *err)
{
    const char *fix =
        "check the proxy's address (proxy:, or https_proxy in the environment), or add the host to NO_PROXY";
    if (says(detail, "407"))
        fix = "the proxy wants a user name and password: put them into its URL (http://USER:PASSWORD@HOST:PORT)";
    return sb_error_set(err, SB_E_NETWORK, "the proxy did not let us through", "%s, by way of the proxy: %s", fix, host,
                        detail);
}

/* The rest: what each code means, in one line. */
static sb_status other(CURLcode code, const char *host, const char *detail, sb_error *err)
{
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return sb_error_set(err, SB_E_NETWORK, "the server's name is not known", "%s: name lookup: %s",
                            "check the address for typing mistakes, and this machine's name servers", host, detail);
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CRL_BADFILE:
        return sb_error_set(
            err, SB_E_NETWORK, "a certificate file cannot be used", "%s: %s",
            "check --ca-file, client_cert and client_cert_key; without them: apt install ca-certificates", host,
            detail);
    case CURLE_SEND_ERROR:
        return sb_error_set(err, SB_E_NETWORK, "the connection broke while sending", "%s: %s", FIX_RETRY, host, detail);
    case CURLE_RECV_ERROR:
        return sb_error_set(err, SB_E_NETWORK, "the connection broke while receiving", "%s: %s", FIX_RETRY, host,
                            detail);
    case CURLE_GOT_NOTHING:
        return sb_error_set(err, SB_E_NETWORK, "the server closed the connection without an answer", "%s: %s",
                            FIX_RETRY, host, detail);
    case CURLE_PARTIAL_FILE:
        return sb_error_set(err, SB_E_NETWORK, "the connection ended before the answer did", "%s: %s", FIX_RETRY, host,
                            detail);
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        return sb_error_set(err, SB_E_SERVER, "the server's answer is not proper HTTP", "%s: %s",
                            "check that host and port are the payer's FHIR or token server", host, detail);
    case CURLE_WRITE_ERROR: /* our own refusals were told before: it is libcurl's decoder that does not take it */
        return sb_error_set(err, SB_E_SERVER, "the server's compressed answer is damaged", "%s: gzip: %s",
                            "try again; if it stays, tell the payer", host,
                            "it goes on behind its end, or is not what it says");
    case CURLE_FILESIZE_EXCEEDED:
        return sb_error_set(err, SB_E_SERVER, "the server's answer is too long", "%s: %s",
                            "check that the URL is the right one", host, detail);
    default:
        return sb_error_set(err, SB_E_NETWORK, "the exchange with the server failed", "%s: %s", FIX_RETRY, host,
                            detail);
    }
}

sb_status sb_http_explain(CURLcode code, const char *detail, const char *url, const sb_tls_note *note, sb_error *err)
{
    static const sb_tls_note nothing = {.names = ""};
    char host[256 + 16];
    SB_AUTO(sb_buf) clean = SB_BUF_INIT; /* a peer's certificate names are in libcurl's text: as fit for a terminal */
    if (code == CURLE_OK)
        return SB_OK;
    if (code == CURLE_OUT_OF_MEMORY)
        return sb_error_nomem(err);
    if (!detail || !detail[0])
        detail = curl_easy_strerror(code);
    if (!sb_redact(sb_str_from(detail), &clean))
        return sb_error_nomem(err);
    detail = sb_buf_cstr(&clean);
    host_text(url, host, sizeof(host));
    if (!note)
        note = &nothing;
    if (code == CURLE_ABORTED_BY_CALLBACK)
        return sb_error_set(err, SB_E_INTERRUPTED, "interrupted", "the exchange with %s was given up",
                            "run the command again: what is complete is kept", host);
    if (code == CURLE_PROXY || code == CURLE_COULDNT_RESOLVE_PROXY || says(detail, "CONNECT tunnel failed") ||
        says(detail, "from proxy after CONNECT"))
        return proxy_failed(host, detail, err);
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_ISSUER_ERROR)
        return refused_certificate(host, detail, note, err);
    if (code == CURLE_SSL_CONNECT_ERROR && note->verify_error != 0)
        return unknown_ca(host, note, X509_verify_cert_error_string(note->verify_error), err);
    /* TLS 1.3 servers refuse a missing client certificate when the client is already sending */
    bool broke = code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR || code == CURLE_GOT_NOTHING;
    if (code == CURLE_SSL_CONNECT_ERROR || says(detail, "certificate required") || (broke && note->wanted_client_cert))
        return tls_failed(host, detail, note, err);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return timed_out(host, detail, err);
    if (code == CURLE_COULDNT_CONNECT)
        return not_connected(host, detail, err);
    return other(code, host, detail, err);
}

CURLcode sb_http_true_code(CURLcode code, CURL *easy, bool head_done, char detail[CURL_ERROR_SIZE])
{
    long sent = 0;
    if (code != CURLE_OUT_OF_MEMORY || head_done || curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &sent) != CURLE_OK ||
        sent == 0)
        return code;
    (void)snprintf(detail, CURL_ERROR_SIZE, "a line of its head is longer than it can honestly be");
    return CURLE_WEIRD_SERVER_REPLY;
}

sb_status sb_http_curl_error(CURLcode code, const char *detail, const char *url, sb_error *err)
{
    return sb_http_explain(code, detail, url, NULL, err);
}
