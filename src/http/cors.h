/*
 * cors.h - what a browser wants to see before it shows an answer to a page of another origin: the
 * CORS protocol of the Fetch standard, for the origins in http.origins. Pure.
 *
 * Credentials are never allowed: there are none here that a browser could have.
 */
#ifndef PLAZA_HTTP_CORS_H
#define PLAZA_HTTP_CORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "http/request.h"

/* Enough for cors_fields: the longest origin there is, and what stands around it. */
#define CORS_FIELDS_SIZE 512

/*
 * The header lines that every answer has on account of its request's origin, errors too; `origin`
 * is answer_wish.origin. Each is ended by CRLF; not terminated. Returns how many bytes they are:
 *
 * - none when http.origins is empty, or when `size` is too small;
 * - else Vary, also for those who are not listed: a cache that has kept an answer to them must not
 *   give it to a listed page, which would not be shown it (RFC 9110 12.5.5);
 * - and for a listed origin Access-Control-Allow-Origin and -Expose-Headers.
 */
size_t cors_fields(const struct config *config, uint16_t origin, char *out, size_t size);

/* Whether the request asks if another one may be sent, and is none itself. */
bool cors_is_preflight(const struct request *request);

/* Enough for cors_preflight_fields with as many field names as it takes. */
#define CORS_PREFLIGHT_SIZE 1280

/*
 * Further header lines of the answer to a preflight from a listed origin, terminated: `methods` are
 * those of the path, "GET, HEAD, OPTIONS". The request's field names come back as they were asked
 * for: which of them mean anything the routes know, and a list here would be one more place to
 * forget each new one. Names that are no tokens, or more than 1000 bytes of them, allow none.
 */
void cors_preflight_fields(const struct request *request, const char *methods,
			   char out[CORS_PREFLIGHT_SIZE]);

#endif
