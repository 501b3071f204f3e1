/* links: src/config/network.c */
/*
 * fuzz_network.c - address ranges: what is taken holds its own address, and one whose bits within
 * the prefix differ it does not.
 *
 *	clang -g -O1 -std=c11 -D_GNU_SOURCE -Isrc -fsanitize=fuzzer,address,undefined \
 *		-fno-sanitize-recover=all -o fuzz_network tests/fuzz/fuzz_network.c \
 *		src/config/network.c
 *	./fuzz_network -max_len=80 tests/fuzz/corpus/network
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/network.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *word = malloc(size + 1);
	struct network network;
	uint16_t port;

	if (!word)
		return 0;
	if (size)
		memcpy(word, data, size);
	word[size] = '\0';
	if (!port_number_parse(word, &port) && port != atoi(word))
		abort();
	if (!network_parse(word, &network)) {
		if (network.prefix > 128 || !network_contains(&network, &network.address))
			abort();
		for (unsigned bit = 0; bit < 128; bit++) {
			struct in6_addr other = network.address;
			other.s6_addr[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
			if (network_contains(&network, &other) != (bit >= network.prefix))
				abort();
		}
	}
	free(word);
	return 0;
}
