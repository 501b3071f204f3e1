/*
 * fail_libpq.c - see fail_libpq.h. As elf(5) has it: what a library calls in others it finds in
 * slots, and each slot has a relocation that names it.
 */
#include "fail_libpq.h"

#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static unsigned countdown; /* 0: nothing fails */
static bool has_failed;

static bool
fails(void)
{
	if (countdown == 0 || --countdown > 0)
		return false;
	has_failed = true;
	return true;
}

static void *
bent_malloc(size_t size)
{
	return fails() ? NULL : malloc(size);
}

static void *
bent_calloc(size_t n, size_t size)
{
	return fails() ? NULL : calloc(n, size);
}

static void *
bent_realloc(void *p, size_t size)
{
	return fails() ? NULL : realloc(p, size);
}

static char *
bent_strdup(const char *text)
{
	return fails() ? NULL : strdup(text);
}

static const struct {
	const char *name;
	uintptr_t to;
} bends[] = {
    {"malloc", (uintptr_t)bent_malloc},   {"calloc", (uintptr_t)bent_calloc},
    {"realloc", (uintptr_t)bent_realloc}, {"strdup", (uintptr_t)bent_strdup},
    {"__strdup", (uintptr_t)bent_strdup},
};

#if __ELF_NATIVE_CLASS == 64

/* Slots may be in pages that were made read-only when all was found. */
static bool
write_slot(uintptr_t slot, uintptr_t to)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	if (mprotect((void *)(slot & ~(page - 1)), page, PROT_READ | PROT_WRITE) != 0)
		return false;
	memcpy((void *)slot, &to, sizeof(to));
	return true;
}

struct tables {
	const Elf64_Sym *symbols;
	const char *names;
	const Elf64_Rela *rela[2]; /* of calls, of other addresses */
	size_t size[2];
};

static struct tables
find_tables(const Elf64_Dyn *dynamic)
{
	struct tables t = {0};

	for (; dynamic->d_tag != DT_NULL; dynamic++) {
		const void *p = (const void *)dynamic->d_un.d_ptr;

		switch (dynamic->d_tag) {
		case DT_SYMTAB: t.symbols = p; break;
		case DT_STRTAB: t.names = p; break;
		case DT_JMPREL: t.rela[0] = p; break;
		case DT_PLTRELSZ: t.size[0] = dynamic->d_un.d_val; break;
		case DT_RELA: t.rela[1] = p; break;
		case DT_RELASZ: t.size[1] = dynamic->d_un.d_val; break;
		default: break;
		}
	}
	return t;
}

static unsigned
bend(const struct tables *t, uintptr_t base)
{
	unsigned n = 0;

	for (unsigned kind = 0; kind < 2; kind++) {
		for (size_t i = 0; i < t->size[kind] / sizeof(Elf64_Rela); i++) {
			const Elf64_Rela *rela = &t->rela[kind][i];
			const Elf64_Sym *symbol = &t->symbols[ELF64_R_SYM(rela->r_info)];
			const char *name = t->names + symbol->st_name;

			for (size_t b = 0; b < sizeof(bends) / sizeof(bends[0]); b++) {
				if (ELF64_R_SYM(rela->r_info) && strcmp(name, bends[b].name) == 0 &&
				    write_slot(base + rela->r_offset, bends[b].to))
					n++;
			}
		}
	}
	return n;
}

static int
object_cb(struct dl_phdr_info *info, size_t size, void *ctx)
{
	unsigned *n = ctx;

	(void)size;
	if (!strstr(info->dlpi_name, "/libpq.so"))
		return 0;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		if (info->dlpi_phdr[i].p_type != PT_DYNAMIC)
			continue;
		const struct tables t =
		    find_tables((const Elf64_Dyn *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr));
		if (t.symbols && t.names)
			*n += bend(&t, info->dlpi_addr);
	}
	return 1;
}

bool
fail_libpq_begin(void)
{
	unsigned n = 0;

	dl_iterate_phdr(object_cb, &n);
	/* malloc at the least, and one that grows buffers */
	return n >= 2;
}

#else

bool
fail_libpq_begin(void)
{
	(void)bends;
	return false;
}

#endif

void
fail_libpq_at(unsigned n)
{
	countdown = n;
	has_failed = false;
}

bool
fail_libpq_end(void)
{
	countdown = 0;
	return has_failed;
}
