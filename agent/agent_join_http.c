#include "agent_join_http.h"

#include <curl/curl.h>

#include <stdbool.h>
#include <stdio.h>

static size_t on_data(char *p, size_t size, size_t n, void *user)
{
    return dgon_buf_add(user, p, size * n) == DGON_OK ? n : 0;
}

#define SET(option, value) (ok = ok && curl_easy_setopt(easy, option, value) == CURLE_OK)

static bool set_up(CURL *easy, const char *url, const dgon_buf *body, const char *ca_file,
                   const char *proxy, long timeout_s)
{
    bool ok = true;
    SET(CURLOPT_URL, url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, proxy != NULL ? proxy : "");
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_CONNECTTIMEOUT, timeout_s);
    SET(CURLOPT_TIMEOUT, 2 * timeout_s);
    SET(CURLOPT_WRITEFUNCTION, on_data);
    if (ca_file != NULL) {
        SET(CURLOPT_CAINFO, ca_file);
        SET(CURLOPT_CAPATH, NULL);
    }
    if (body != NULL) {
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->len);
        SET(CURLOPT_POSTFIELDS, body->data);
    }
    return ok;
}

dgon_status agent_join_http(const char *url, const dgon_buf *body, const char *ca_file,
                            const char *proxy, long timeout_s, long *status, dgon_buf *answer,
                            char *why, size_t why_size)
{
    char error[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    CURL *easy = curl_easy_init();
    CURLcode code = CURLE_OUT_OF_MEMORY;
    bool ok = easy != NULL && headers != NULL && set_up(easy, url, body, ca_file, proxy, timeout_s);
    *status = 0;
    if (ok) {
        SET(CURLOPT_HTTPHEADER, headers);
        SET(CURLOPT_USERAGENT, "dgon-agent");
        SET(CURLOPT_ERRORBUFFER, error);
        SET(CURLOPT_WRITEDATA, answer);
    }
    if (ok) {
        code = curl_easy_perform(easy);
        (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, status);
    }
    if (code != CURLE_OK) {
        (void)snprintf(why, why_size, "%s", error[0] != '\0' ? error : curl_easy_strerror(code));
    }
    curl_easy_cleanup(easy);
    curl_slist_free_all(headers);
    return code == CURLE_OK ? DGON_OK : DGON_ESYS;
}
