/*
 * idempotency.c - draft-ietf-httpapi-idempotency-key-header-07: its key is a string of RFC 8941,
 * but most clients send it bare.
 */
#include "store/idempotency.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/log.h"

/* RFC 8941 3.3.3, without blanks inside. */
static bool
read_quoted(struct span value, struct idempotency *idempotency)
{
	size_t at = 1;

	for (; at < value.len && value.ptr[at] != '"'; at++) {
		if (value.ptr[at] == '\\') {
			at++;
			if (at == value.len || (value.ptr[at] != '"' && value.ptr[at] != '\\'))
				return false;
		}
		if (idempotency->len == IDEMPOTENCY_KEY_MAX)
			return false;
		idempotency->key[idempotency->len++] = value.ptr[at];
	}
	return at + 1 == value.len;
}

static bool
read_key(struct span value, struct idempotency *idempotency)
{
	if (value.len && value.ptr[0] == '"') {
		if (!read_quoted(value, idempotency))
			return false;
	} else {
		if (value.len > IDEMPOTENCY_KEY_MAX)
			return false;
		memcpy(idempotency->key, value.ptr, value.len);
		idempotency->len = value.len;
	}
	for (size_t i = 0; i < idempotency->len; i++)
		if (idempotency->key[i] <= ' ' || idempotency->key[i] > '~')
			return false;
	idempotency->key[idempotency->len] = '\0';
	return idempotency->len > 0;
}

/* With its length before it: no two lists of pieces are the same bytes. */
static bool
add(EVP_MD_CTX *hash, struct span piece)
{
	const uint64_t len = piece.len;

	return EVP_DigestUpdate(hash, &len, sizeof(len)) == 1 &&
	       EVP_DigestUpdate(hash, piece.ptr, piece.len) == 1;
}

/* The fields in which two requests for the same thing do not differ. */
static bool
is_meant(const struct request_field *field)
{
	switch (field->id) {
	case FIELD_CONTENT_TYPE:
	case FIELD_IF_MATCH:
	case FIELD_IF_NONE_MATCH: return true;
	case FIELD_OTHER: return span_eq_nocase(field->name, SPAN_LIT("prefer"));
	default: return false;
	}
}

static bool
hash_request(EVP_MD_CTX *hash, const struct request *request, struct span body)
{
	bool ok = EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1 &&
		  add(hash, http_method_name(request->method)) && add(hash, request->path) &&
		  add(hash, request->query);

	for (size_t i = 0; ok && i < request->n_fields; i++) {
		const struct request_field *field = &request->field[i];
		char name[16];

		if (!is_meant(field) || field->name.len > sizeof(name))
			continue;
		for (size_t j = 0; j < field->name.len; j++)
			name[j] = (char)(field->name.ptr[j] | 0x20);
		ok = add(hash, span_from(name, field->name.len)) && add(hash, field->value);
	}
	return ok && add(hash, body);
}

enum idempotency_status
idempotency_read(const struct request *request, struct span body, struct idempotency *idempotency)
{
	idempotency->len = 0;
	if (!request_has(request, FIELD_IDEMPOTENCY_KEY))
		return IDEMPOTENCY_OK;
	if (request->times[FIELD_IDEMPOTENCY_KEY] != 1 ||
	    !read_key(request_first(request, FIELD_IDEMPOTENCY_KEY), idempotency))
		return IDEMPOTENCY_BAD;
	EVP_MD_CTX *hash = EVP_MD_CTX_new();
	const bool ok = hash && hash_request(hash, request, body) &&
			EVP_DigestFinal_ex(hash, idempotency->fingerprint, NULL) == 1;
	EVP_MD_CTX_free(hash);
	if (!ok)
		log_error("store: out of memory for a fingerprint");
	return ok ? IDEMPOTENCY_OK : IDEMPOTENCY_NO_MEMORY;
}
