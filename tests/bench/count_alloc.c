/*
 * count_alloc.c - counts what a process allocates: a library for LD_PRELOAD.
 *
 * The counts are in the file that COUNT_ALLOC names, which has to exist, as 64-bit numbers in the
 * order of struct counts, for all processes that are forked from the one it was loaded into. What
 * libevent allocates is told apart by who calls.
 *
 * glibc only: it calls that library's own allocator.
 */
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct counts {
	atomic_uint_least64_t allocations;    /* calls of malloc, calloc, realloc */
	atomic_uint_least64_t bytes;          /* in use */
	atomic_uint_least64_t libevent_bytes; /* of those */
};

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void __libc_free(void *p);

static struct counts unseen; /* before the file is there */
static struct counts *counts = &unseen;
static uintptr_t libevent_begin, libevent_end;

static int
find_libevent(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	if (!strstr(info->dlpi_name, "libevent"))
		return 0;
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];

		if (segment->p_type == PT_LOAD && segment->p_flags & PF_X) {
			libevent_begin = info->dlpi_addr + segment->p_vaddr;
			libevent_end = libevent_begin + segment->p_memsz;
		}
	}
	return 1;
}

__attribute__((constructor)) static void
open_counts(void)
{
	const char *path = getenv("COUNT_ALLOC");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;

	dl_iterate_phdr(find_libevent, NULL);
	if (fd < 0)
		return;
	void *at = MAP_FAILED;
	if (ftruncate(fd, sizeof(*counts)) == 0)
		at = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at != MAP_FAILED)
		counts = at;
	close(fd);
}

/* Before and after a call of the allocator. */
static void
count(const void *caller, size_t before, size_t after)
{
	uintptr_t at = (uintptr_t)caller;

	atomic_fetch_add(&counts->bytes, after - before);
	if (at >= libevent_begin && at < libevent_end)
		atomic_fetch_add(&counts->libevent_bytes, after - before);
}

void *
malloc(size_t size)
{
	void *p = __libc_malloc(size);

	atomic_fetch_add(&counts->allocations, 1);
	count(__builtin_return_address(0), 0, malloc_usable_size(p));
	return p;
}

void *
calloc(size_t n, size_t size)
{
	void *p = __libc_calloc(n, size);

	atomic_fetch_add(&counts->allocations, 1);
	count(__builtin_return_address(0), 0, malloc_usable_size(p));
	return p;
}

void *
realloc(void *p, size_t size)
{
	size_t before = malloc_usable_size(p);
	void *q = __libc_realloc(p, size);

	atomic_fetch_add(&counts->allocations, 1);
	if (q || size == 0)
		count(__builtin_return_address(0), before, malloc_usable_size(q));
	return q;
}

void
free(void *p)
{
	count(__builtin_return_address(0), malloc_usable_size(p), 0);
	__libc_free(p);
}
