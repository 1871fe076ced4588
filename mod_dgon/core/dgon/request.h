/* A look at an HTTP/1.1 request that still lies in the socket's buffer. It decides where the
 * request is read, never what it means: that is httpd's to say. */
#ifndef DGON_REQUEST_H
#define DGON_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The length of the request if p[0..n) begins with a POST that is there to its last byte, with a
 * body of stated length (RFC 9112 6.2), so that reading it waits for nobody. Whatever is unusual
 * (another method, chunks, Expect, Upgrade, folded or malformed lines) is 0. *line_len: the request
 * line, without CRLF. Pure; any thread. */
size_t dgon_request_whole(const char *p, size_t n, size_t *line_len);
/* A number for a request line, to compare two of them. Never 0. */
uint64_t dgon_request_line_hash(const char *line, size_t n);

#endif
