/*
 * tls_origin.h - a server with TLS on the loopback, of one certificate that it has signed itself,
 * for "localhost". It answers each request with 200 and "secret\n". A process of its own.
 */
#ifndef PLAZA_TESTS_UNIT_TLS_ORIGIN_H
#define PLAZA_TESTS_UNIT_TLS_ORIGIN_H

#include <stdint.h>
#include <sys/types.h>

struct tls_origin {
	pid_t pid;
	uint16_t port;
	char ca_file[64]; /* its certificate, for who wants to trust it */
};

/* At most that version of TLS: 0x0303 is 1.2; 0: any. Aborts when it cannot. */
void tls_origin_start(struct tls_origin *origin, int max_version);
/* Its certificate is for `name` alone, as a common name, whatever that is. */
void tls_origin_start_as(struct tls_origin *origin, const char *name);
void tls_origin_stop(struct tls_origin *origin);

#endif
