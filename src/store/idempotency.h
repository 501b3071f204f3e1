/*
 * idempotency.h - Idempotency-Key: a write that may be sent again, by client or server, and is done
 * once. The key, and what is told of the request so that the key is not used for another.
 */
#ifndef PLAZA_STORE_IDEMPOTENCY_H
#define PLAZA_STORE_IDEMPOTENCY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "http/request.h"

#define IDEMPOTENCY_KEY_MAX  255
#define IDEMPOTENCY_HASH_LEN 32

struct idempotency {
	size_t len; /* of the key; 0: the request has none */
	char key[IDEMPOTENCY_KEY_MAX + 1];
	uint8_t fingerprint[IDEMPOTENCY_HASH_LEN];
};

enum idempotency_status {
	IDEMPOTENCY_OK,
	IDEMPOTENCY_BAD,      /* a key that is none */
	IDEMPOTENCY_NO_MEMORY /* logged */
};

/*
 * A key is 1 to 255 visible ASCII characters, bare or as a string of RFC 8941 3.3.3, given once.
 * The fingerprint is a SHA-256 of the method, the path, the query, the fields that decide what the
 * request means, and the body.
 */
enum idempotency_status idempotency_read(const struct request *request, struct span body,
					 struct idempotency *idempotency);

#endif
