/*
 * tls_origin.c - see tls_origin.h.
 */
#include "tls_origin.h"

#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void
must(bool ok)
{
	if (!ok)
		abort();
}

static X509 *
make_certificate(EVP_PKEY *key, const char *only)
{
	X509 *x509 = X509_new();
	X509_NAME *name;
	X509_EXTENSION *extension;

	must(x509 != NULL);
	X509_set_version(x509, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
	X509_gmtime_adj(X509_getm_notBefore(x509), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
	X509_set_pubkey(x509, key);
	name = X509_get_subject_name(x509);
	must(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
					(const unsigned char *)(only ? only : "localhost"), -1, -1,
					0) == 1);
	X509_set_issuer_name(x509, name);
	if (!only) {
		extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:localhost");
		must(extension && X509_add_ext(x509, extension, -1));
		X509_EXTENSION_free(extension);
	}
	must(X509_sign(x509, key, EVP_sha256()) > 0);
	return x509;
}

static void
serve_one(SSL_CTX *ctx, int fd)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
				     "Content-Length: 7\r\nConnection: close\r\n\r\nsecret\n";
	SSL *ssl = SSL_new(ctx);
	char request[4096];

	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1 && SSL_read(ssl, request, sizeof(request)) > 0) {
		SSL_write(ssl, answer, sizeof(answer) - 1);
		SSL_shutdown(ssl);
	}
	SSL_free(ssl);
	ERR_clear_error();
	close(fd);
}

static _Noreturn void
serve(int listener, EVP_PKEY *key, X509 *x509, int max_version)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	must(ctx && SSL_CTX_use_certificate(ctx, x509) == 1 &&
	     SSL_CTX_use_PrivateKey(ctx, key) == 1);
	if (max_version) {
		/* OpenSSL itself thinks little of what is old */
		SSL_CTX_set_security_level(ctx, 0);
		SSL_CTX_set_min_proto_version(ctx, 0);
		must(SSL_CTX_set_max_proto_version(ctx, max_version) == 1);
	}
	signal(SIGPIPE, SIG_IGN);
	for (;;) {
		const int fd = accept(listener, NULL, NULL);
		if (fd >= 0)
			serve_one(ctx, fd);
	}
}

static void
start(struct tls_origin *origin, int max_version, const char *only)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x509 = make_certificate(key, only);

	must(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	     listen(fd, 64) == 0 && getsockname(fd, (struct sockaddr *)&address, &len) == 0);
	origin->port = ntohs(address.sin_port);
	strcpy(origin->ca_file, "/tmp/plaza-test-ca.XXXXXX");
	const int ca = mkstemp(origin->ca_file);
	FILE *f = ca >= 0 ? fdopen(ca, "w") : NULL;
	must(f && PEM_write_X509(f, x509) == 1 && fclose(f) == 0);
	fflush(NULL);
	origin->pid = fork();
	must(origin->pid >= 0);
	if (origin->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(fd, key, x509, max_version);
	}
	X509_free(x509);
	EVP_PKEY_free(key);
	close(fd);
}

void
tls_origin_start(struct tls_origin *origin, int max_version)
{
	start(origin, max_version, NULL);
}

void
tls_origin_start_as(struct tls_origin *origin, const char *name)
{
	start(origin, 0, name);
}

void
tls_origin_stop(struct tls_origin *origin)
{
	kill(origin->pid, SIGKILL);
	waitpid(origin->pid, NULL, 0);
	unlink(origin->ca_file);
}
