/*
 * traffic.h - clients in the background while a test kills, stops or reloads: requests one after
 * the other, products made, and a chat whose every message is accounted for at the end.
 *
 * A chat client numbers its messages, goes on when it has its own back, and changes to a new
 * connection now and then, the new one open before the old one closes. What each connection
 * received must be a piece, without a gap, of one and the same sequence.
 */
#ifndef PLAZA_TESTS_IT_TRAFFIC_H
#define PLAZA_TESTS_IT_TRAFFIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct traffic;

struct traffic_spec {
	uint16_t port;
	unsigned getters;     /* threads that GET, on new connections and on kept ones */
	unsigned posters;     /* threads that POST products, each on a new connection */
	unsigned chatters;    /* chat clients, all in one thread */
	bool tolerate_resets; /* a worker is killed: connections may break, answers be lost */
};

struct traffic_counts {
	uint64_t gets, posts, chats; /* done and right */
	uint64_t broken;             /* with tolerate_resets: connections that broke */
	uint64_t sessions;           /* chat connections made */
	uint64_t restarts;           /* of them closed by the server with 1012 */
};

struct traffic *traffic_start(const struct traffic_spec *spec);
/* Waits until every kind of client has done `n` more. */
void traffic_more(struct traffic *t, uint64_t n);
/* Ends all, fails the test if anything went wrong, and compares what the chat clients got. */
void traffic_stop(struct traffic *t, struct traffic_counts *counts);

#endif
