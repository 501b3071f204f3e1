/*
 * conninfo.h - a libpq connection string taken apart far enough to resolve its host names off the
 * loop: the servers it names, in order, and everything else passed on as it stands.
 *
 * What the environment, a service file and libpq's defaults add is read once, in conninfo_new:
 * call it before the process has a second thread.
 */
#ifndef PLAZA_PG_CONNINFO_H
#define PLAZA_PG_CONNINFO_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>

/* One server to try. Never NULL; empty is "not given", as libpq sees it. */
struct target {
	char *host; /* a name (for TLS and the password file too), or the directory of a socket */
	char *addr; /* a literal address */
	char *port;
};

struct targets {
	size_t n;
	struct target *target;
};

/* False on out-of-memory; the list is as before then. */
bool targets_add(struct targets *targets, const char *host, const char *addr, const char *port);
bool targets_copy(struct targets *to, const struct targets *from);
void targets_fini(struct targets *targets);

/* A TCP target without an address whose host is no literal address either. */
bool target_needs_lookup(const struct target *target);

struct conninfo;

/*
 * NULL when libpq cannot parse it or on out-of-memory. Why is not told: libpq's text may quote a
 * password, and the configuration was checked before.
 */
struct conninfo *conninfo_new(const char *text);
void conninfo_free(struct conninfo **conninfo);

/* The role that the string or PGUSER names; NULL when that is left to libpq. */
const char *conninfo_user(const struct conninfo *conninfo);

/* In the order in which libpq tries them; at least one. */
const struct targets *conninfo_targets(const struct conninfo *conninfo);

/*
 * PQconnectStartParams on targets[from..]. Blocks on nothing if none of them needs a lookup.
 * Settings of ours go in where the string says nothing: application_name plazad, keepalives,
 * tcp_user_timeout, no GSSAPI encryption (which would talk to a KDC); client_encoding is UTF8
 * always. NULL on out-of-memory.
 */
PGconn *conninfo_connect(const struct conninfo *conninfo, const struct targets *targets,
			 size_t from);

/* Which of `targets`, from `from` on, a connection is trying or has; targets->n when none. */
size_t conninfo_current(const PGconn *pg, const struct targets *targets, size_t from);

#endif
