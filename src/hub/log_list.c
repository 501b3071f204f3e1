/*
 * log_list.c - see log_list.h.
 */
#include "hub/log_list.h"

#include <string.h>

void
log_list_append(const struct log_links *links, struct log_list *list, uint32_t number)
{
	*list_link(links, number) = (struct log_link){.prev = list->last};
	if (list->last)
		list_link(links, list->last)->next = number;
	else
		list->first = number;
	list->last = number;
}

void
log_list_prepend(const struct log_links *links, struct log_list *list, uint32_t number)
{
	*list_link(links, number) = (struct log_link){.next = list->first};
	if (list->first)
		list_link(links, list->first)->prev = number;
	else
		list->last = number;
	list->first = number;
}

void
log_list_remove(const struct log_links *links, struct log_list *list, uint32_t number)
{
	struct log_link at = *list_link(links, number);

	if (at.prev)
		list_link(links, at.prev)->next = at.next;
	else
		list->first = at.next;
	if (at.next)
		list_link(links, at.next)->prev = at.prev;
	else
		list->last = at.prev;
}

static uint64_t
list_key(const struct log_links *links, const void *keys, uint32_t number)
{
	uint64_t key;

	memcpy(&key, (const unsigned char *)keys + number * links->stride, sizeof(key));
	return key;
}

/* Cuts the first `n` off a list and returns what is left of it. */
static uint32_t
list_cut(const struct log_links *links, uint32_t first, size_t n)
{
	while (first && --n)
		first = list_link(links, first)->next;
	if (!first)
		return 0;
	uint32_t rest = list_link(links, first)->next;

	list_link(links, first)->next = 0;
	return rest;
}

/* Merges runs of 1, 2, 4, ...: no memory, no recursion. */
void
log_list_sort(const struct log_links *links, struct log_list *list, const void *keys)
{
	for (size_t run = 1;; run *= 2) {
		uint32_t rest = list->first;
		unsigned merges = 0;

		*list = (struct log_list){0};
		while (rest) {
			uint32_t a = rest;
			uint32_t b = list_cut(links, a, run);

			rest = b ? list_cut(links, b, run) : 0;
			merges++;
			while (a || b) {
				bool takes_b = b && (!a || list_key(links, keys, b) <
							       list_key(links, keys, a));
				uint32_t *from = takes_b ? &b : &a;
				uint32_t number = *from;

				*from = list_link(links, number)->next;
				log_list_append(links, list, number);
			}
		}
		if (merges <= 1)
			return;
	}
}
