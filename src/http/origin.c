/*
 * origin.c - origins compared. Called by: access.c, judge.c.
 */
#include "http/origin.h"

struct origin {
	struct host host;
	bool is_https;
};

/* Of http and https only; other ones (null, extensions) are compared as text. */
static bool
origin_parse(struct span text, struct origin *origin)
{
	const char *colon = text.len ? memchr(text.ptr, ':', text.len) : NULL;
	size_t len;

	if (colon == NULL)
		return false;
	len = (size_t)(colon - text.ptr);
	origin->is_https = span_eq_nocase(span_from(text.ptr, len), SPAN_LIT("https"));
	if (!origin->is_https && !span_eq_nocase(span_from(text.ptr, len), SPAN_LIT("http")))
		return false;
	return text.len - len > 3 && memcmp(colon, "://", 3) == 0 &&
	       host_parse(span_from(colon + 3, text.len - len - 3), &origin->host);
}

static unsigned
port_of(const struct host *host, bool is_https)
{
	return host->has_port ? host->port : is_https ? 443 : 80;
}

static bool
origin_same(const struct origin *a, const struct origin *b)
{
	return a->is_https == b->is_https && span_eq_nocase(a->host.name, b->host.name) &&
	       port_of(&a->host, a->is_https) == port_of(&b->host, b->is_https);
}

/*
 * Host does not say its scheme, which a proxy may have ended, so a Host without a port has the
 * default one of the page's scheme.
 */
bool
origin_is_host(struct span text, const struct host *host)
{
	struct origin origin;

	return origin_parse(text, &origin) && span_eq_nocase(origin.host.name, host->name) &&
	       port_of(&origin.host, origin.is_https) == port_of(host, origin.is_https);
}

uint16_t
origin_listed(const struct config *config, const struct request *request)
{
	const struct words *origins = &config->http_origins;
	struct span text = request_first(request, FIELD_ORIGIN);
	struct origin origin, other;

	if (origins->n == 0 || request->times[FIELD_ORIGIN] != 1)
		return 0;
	const bool is_web = origin_parse(text, &origin);
	for (size_t i = 0; i < origins->n && i < UINT16_MAX; i++) {
		struct span word = span_str(origins->word[i]);

		if (span_eq_nocase(word, text) ||
		    (is_web && origin_parse(word, &other) && origin_same(&origin, &other)))
			return (uint16_t)(i + 1);
	}
	return 0;
}
