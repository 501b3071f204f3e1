/*
 * conninfo.c - keywords and values in and out of libpq; the lists of host, hostaddr and port are
 * the only ones that are looked into.
 */
#include "pg/conninfo.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"

#define LIST_MAX     65536
#define KEYWORDS_MAX 96

struct conninfo {
	PQconninfoOption *given;    /* what the string itself says */
	PQconninfoOption *defaults; /* what environment, service file and libpq add */
	struct targets targets;
	/*
	 * The lists do not fit each other: libpq gets them as they stand, and will say so before
	 * it looks up anything.
	 */
	bool mismatched;
};

void
targets_fini(struct targets *targets)
{
	for (size_t i = 0; i < targets->n; i++) {
		free(targets->target[i].host);
		free(targets->target[i].addr);
		free(targets->target[i].port);
	}
	free(targets->target);
	*targets = (struct targets){0};
}

bool
targets_add(struct targets *targets, const char *host, const char *addr, const char *port)
{
	struct target *grown =
	    realloc(targets->target, (targets->n + 1) * sizeof(*targets->target));
	if (!grown)
		return false;
	targets->target = grown;
	struct target t = {strdup(host), strdup(addr), strdup(port)};
	if (!t.host || !t.addr || !t.port) {
		free(t.host);
		free(t.addr);
		free(t.port);
		return false;
	}
	grown[targets->n++] = t;
	return true;
}

bool
targets_copy(struct targets *to, const struct targets *from)
{
	struct targets copy = {0};

	for (size_t i = 0; i < from->n; i++) {
		const struct target *t = &from->target[i];
		if (!targets_add(&copy, t->host, t->addr, t->port)) {
			targets_fini(&copy);
			return false;
		}
	}
	*to = copy;
	return true;
}

bool
target_needs_lookup(const struct target *target)
{
	unsigned char address[sizeof(struct in6_addr)];
	const char *host = target->host;

	if (target->addr[0] || !host[0])
		return false;
	/* as libpq's is_unixsocket_path: a directory, or an abstract name */
	if (host[0] == '/' || host[0] == '@')
		return false;
	return inet_pton(AF_INET, host, address) != 1 && inet_pton(AF_INET6, host, address) != 1;
}

static const char *
option_value(const PQconninfoOption *options, const char *keyword)
{
	for (const PQconninfoOption *o = options; o->keyword; o++) {
		if (strcmp(o->keyword, keyword) == 0)
			return o->val && o->val[0] ? o->val : NULL;
	}
	return NULL;
}

static const char *
effective(const struct conninfo *conninfo, const char *keyword)
{
	const char *value = option_value(conninfo->given, keyword);

	return value ? value : option_value(conninfo->defaults, keyword);
}

/* PQconndefaults reads a service file only when the environment names the service. */
static PQconninfoOption *
read_defaults(const PQconninfoOption *given)
{
	const char *service = option_value(given, "service");
	const char *outer = getenv("PGSERVICE");
	char *saved = outer ? strdup(outer) : NULL;

	if (service)
		setenv("PGSERVICE", service, 1);
	PQconninfoOption *defaults = PQconndefaults();
	if (service && saved)
		setenv("PGSERVICE", saved, 1);
	else if (service)
		unsetenv("PGSERVICE");
	free(saved);
	return defaults;
}

static size_t
count_items(const char *list)
{
	size_t n = 1;

	for (; *list; list++)
		n += *list == ',';
	return n;
}

/* The i-th item of a list separated by commas; the caller frees. */
static char *
copy_item(const char *list, size_t i)
{
	while (i > 0) {
		list += strcspn(list, ",") + 1;
		i--;
	}
	return strndup(list, strcspn(list, ","));
}

static bool
split_targets(struct conninfo *conninfo)
{
	const char *hosts = effective(conninfo, "host");
	const char *addrs = effective(conninfo, "hostaddr");
	const char *ports = effective(conninfo, "port");
	size_t n = addrs ? count_items(addrs) : hosts ? count_items(hosts) : 1;
	size_t n_ports = ports ? count_items(ports) : 1;
	bool ok = true;

	if ((addrs && hosts && count_items(hosts) != n) || (n_ports != 1 && n_ports != n)) {
		conninfo->mismatched = true;
		return targets_add(&conninfo->targets, "", "", "");
	}
	for (size_t i = 0; ok && i < n; i++) {
		char *host = copy_item(hosts ? hosts : "", hosts ? i : 0);
		char *addr = copy_item(addrs ? addrs : "", addrs ? i : 0);
		char *port = copy_item(ports ? ports : "", n_ports > 1 ? i : 0);
		ok = host && addr && port && targets_add(&conninfo->targets, host, addr, port);
		free(host);
		free(addr);
		free(port);
	}
	return ok;
}

struct conninfo *
conninfo_new(const char *text)
{
	struct conninfo *conninfo = calloc(1, sizeof(*conninfo));
	char *error = NULL;

	if (!conninfo)
		return NULL;
	conninfo->given = PQconninfoParse(text, &error);
	PQfreemem(error);
	if (conninfo->given)
		conninfo->defaults = read_defaults(conninfo->given);
	if (!conninfo->defaults || !split_targets(conninfo))
		conninfo_free(&conninfo);
	return conninfo;
}

void
conninfo_free(struct conninfo **conninfo)
{
	if (!*conninfo)
		return;
	PQconninfoFree((*conninfo)->given);
	PQconninfoFree((*conninfo)->defaults);
	targets_fini(&(*conninfo)->targets);
	free(*conninfo);
	*conninfo = NULL;
}

const char *
conninfo_user(const struct conninfo *conninfo)
{
	const char *user = option_value(conninfo->given, "user");

	return user ? user : getenv("PGUSER");
}

const struct targets *
conninfo_targets(const struct conninfo *conninfo)
{
	return &conninfo->targets;
}

struct keywords {
	size_t n;
	const char *keyword[KEYWORDS_MAX + 1];
	const char *value[KEYWORDS_MAX + 1];
};

static void
put(struct keywords *k, const char *keyword, const char *value)
{
	/* libpq knows about forty keywords; each comes at most twice, and the last one counts */
	if (k->n == KEYWORDS_MAX || !value || !value[0])
		return;
	k->keyword[k->n] = keyword;
	k->value[k->n++] = value;
}

/* One member of targets[from..] as libpq's list. An empty list item is "not given" to libpq. */
static bool
join(struct buffer *out, const struct targets *targets, size_t from, size_t member)
{
	bool ok = true;

	for (size_t i = from; ok && i < targets->n; i++) {
		const struct target *t = &targets->target[i];
		const char *item = member == 0 ? t->host : member == 1 ? t->addr : t->port;
		ok = buffer_printf(out, LIST_MAX, "%s%s", i == from ? "" : ",", item);
	}
	return ok && buffer_append(out, "", 1, LIST_MAX);
}

static void
put_unless_given(struct keywords *k, const struct conninfo *conninfo, const char *keyword,
		 const char *value)
{
	/* these have no default of libpq's own: what is there was said by somebody */
	if (!effective(conninfo, keyword))
		put(k, keyword, value);
}

PGconn *
conninfo_connect(const struct conninfo *conninfo, const struct targets *targets, size_t from)
{
	static const char *const lists[] = {"host", "hostaddr", "port"};
	struct buffer list[3] = {0};
	struct keywords k = {0};
	PGconn *pg = NULL;
	bool ok = true;

	for (const PQconninfoOption *o = conninfo->given; o->keyword; o++)
		put(&k, o->keyword, o->val);
	if (!conninfo->mismatched) {
		for (size_t i = 0; ok && i < 3; i++) {
			ok = join(&list[i], targets, from, i);
			if (ok)
				put(&k, lists[i], list[i].data);
		}
	}
	put_unless_given(&k, conninfo, "fallback_application_name", "plazad");
	put_unless_given(&k, conninfo, "keepalives_idle", "30");
	put_unless_given(&k, conninfo, "keepalives_interval", "5");
	put_unless_given(&k, conninfo, "keepalives_count", "3");
	put_unless_given(&k, conninfo, "tcp_user_timeout", "30000");
	/* libpq's default, prefer, asks a KDC synchronously as soon as there is a ticket */
	const char *gss = effective(conninfo, "gssencmode");
	if (!option_value(conninfo->given, "gssencmode") && gss && strcmp(gss, "prefer") == 0)
		put(&k, "gssencmode", "disable");
	/* given, libpq need not ask the system's user database for it each time */
	put(&k, "user", effective(conninfo, "user"));
	put(&k, "client_encoding", "UTF8");
	if (ok)
		pg = PQconnectStartParams(k.keyword, k.value, 0);
	for (size_t i = 0; i < 3; i++)
		buffer_fini(&list[i]);
	return pg;
}

size_t
conninfo_current(const PGconn *pg, const struct targets *targets, size_t from)
{
	const char *host = PQhost(pg), *addr = PQhostaddr(pg), *port = PQport(pg);
	size_t by_host = targets->n;

	for (size_t i = from; i < targets->n; i++) {
		const struct target *t = &targets->target[i];
		if (t->port[0] && port && strcmp(t->port, port) != 0)
			continue;
		if (addr && addr[0] && strcmp(t->addr, addr) == 0)
			return i;
		if (by_host == targets->n && host && strcmp(t->host, host) == 0)
			by_host = i;
	}
	return by_host;
}
