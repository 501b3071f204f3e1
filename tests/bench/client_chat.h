/*
 * client_chat.h - members of a chat room, as the load generators play them: handshakes, frames,
 * what is published and how it comes back. Not part of the daemon.
 */
#ifndef PLAZA_BENCH_CLIENT_CHAT_H
#define PLAZA_BENCH_CLIENT_CHAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "process.h"

#define CHAT_ROOM "bench"

/* One server on loopback, from NAME:PORT:PID[,PID...]. A name that ends in /json: in that mode. */
struct chat_server {
	char name[32];
	bool is_json;
	uint16_t port;
	struct processes processes;
};

/* Ends the program if it is not of that form. */
void chat_server_parse(struct chat_server *s, const char *text);

/* Opens `n` members of a room; their sockets do not block. In JSON mode they have been welcomed. */
void chat_open(const struct chat_server *s, const char *room, int *fd, size_t n);
/* Ends them at once, and waits until the server has done so too. */
void chat_close(const struct chat_server *s, const int *fd, size_t n);

/* A text in what a member sends to publish it; returns the length of that. */
#define CHAT_TEXT_MAX    4096
#define CHAT_PUBLISH_MAX (CHAT_TEXT_MAX + 128)
size_t chat_publish(const struct chat_server *s, unsigned char *out, const char *text, size_t len);

struct chat_frame {
	const char *payload;
	size_t len;
	size_t size; /* with the head */
};

/* The first frame of what has come; false when it is not whole. Dies unless it is a text message.
 */
bool chat_frame(const unsigned char *data, size_t len, struct chat_frame *frame);
/* Dies unless the frame brings this text. */
void chat_check(const struct chat_server *s, const struct chat_frame *frame, const char *text,
		size_t len);

/* All of it, however long that takes. */
void chat_send(int fd, const unsigned char *data, size_t len);

/* Segments with data that have come: on loopback, the server's writes. */
uint64_t chat_segments(int fd);

#endif
