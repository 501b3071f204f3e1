/*
 * transfer_warm.c - what the first transfer by TLS would have all others wait for, done before.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fetch/transfer_private.h"

/*
 * A handshake with nobody: libcurl reads the certificates for it, and keeps them for all others,
 * for a day (CURLOPT_CA_CACHE_TIMEOUT).
 */
static void
greet_nobody(struct transfers *all, CURL *easy, unsigned port)
{
	char url[64];
	int running;

	snprintf(url, sizeof(url), "https://127.0.0.1:%u/", port);
	if (!SET(easy, URL, url) || !transfer_setup_trust(easy, &all->settings) ||
	    curl_multi_add_handle(all->multi, easy) != CURLM_OK)
		return;
	/* it is connected at once, says hello, and would read: no more is wanted */
	for (int i = 0; i < 4; i++)
		curl_multi_perform(all->multi, &running);
	curl_multi_remove_handle(all->multi, easy);
}

void
transfers_warm(struct transfers *all)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CURL *easy = curl_easy_init();

	/* whoever listens and never accepts has connections all the same */
	if (easy && fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	    listen(fd, 1) == 0 && getsockname(fd, (struct sockaddr *)&address, &len) == 0)
		greet_nobody(all, easy, ntohs(address.sin_port));
	if (easy)
		curl_easy_cleanup(easy);
	if (fd >= 0)
		close(fd);
}
