/* tests/shim/failnth.c - the nth allocation of a program under test fails, once or for ever.
 *
 *     LD_PRELOAD=libfailnth.so SHOAL_FAILNTH=FILE shoal get ...
 *
 * FILE holds a struct control, which tests/e2e/test_memory.py sets and reads while the program
 * runs. What is counted is asked for by the program itself; with `all` what its libraries ask for,
 * too. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct control {
	atomic_uint_fast64_t fail_at; /* 0: none; counted from when `asked` was set to 0 */
	atomic_uint_fast64_t forever, all;
	atomic_uint_fast64_t asked, failed;
};

/* Of the C library itself, whatever stands before it. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *ptr, size_t size);

static struct control *control;
static uintptr_t program_begin, program_end;

static int look_at(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type == PT_LOAD && (p->p_flags & PF_X) != 0) {
			program_begin = info->dlpi_addr + p->p_vaddr;
			program_end = program_begin + p->p_memsz;
		}
	}
	return 1; /* the first one is the program */
}

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("SHOAL_FAILNTH");
	int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
	void *map;

	if (fd < 0)
		return;
	(void)dl_iterate_phdr(look_at, NULL);
	map = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	control = map == MAP_FAILED ? NULL : map;
}

static bool must_fail(const void *caller)
{
	uintptr_t from = (uintptr_t)caller;
	uint64_t n, at;

	if (control == NULL ||
	    (!atomic_load(&control->all) && (from < program_begin || from >= program_end)))
		return false;
	n = atomic_fetch_add(&control->asked, 1) + 1;
	at = atomic_load(&control->fail_at);
	if (at == 0 || (atomic_load(&control->forever) ? n < at : n != at))
		return false;
	atomic_fetch_add(&control->failed, 1);
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	return must_fail(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return must_fail(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *ptr, size_t size)
{
	return must_fail(__builtin_return_address(0)) ? NULL : __libc_realloc(ptr, size);
}
